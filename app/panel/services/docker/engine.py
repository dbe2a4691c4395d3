"""The Docker engine behind its socket: a handful of typed calls with deadlines. The only importer of `docker`.

Reading takes at most 5 s, writing at most 60 s. Whatever goes wrong leaves as a ProblemError (`engine_errors`), except
that something does not exist, which is a result: None, or nothing done.
"""

import contextlib
import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

import docker
import requests
import urllib3
from docker.errors import DockerException, NotFound

from app.panel.services.docker.engine_errors import ErrorContext, to_problem
from app.panel.services.docker.engine_problems import MIN_API, EngineTooOldError, RemoteEngineError
from app.panel.services.docker.problems import ContainerNotRemovedError
from pipeline.core.problems import ProblemError

READ_TIMEOUT_S: Final = 5
WRITE_TIMEOUT_S: Final = 60
RETRY_S: Final = 1.0
_POLL_S: Final = 0.05
SOCKET: Final = "/var/run/docker.sock"
_FAILURES = (DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)
Inspected = dict[str, Any]
T = TypeVar("T")


class Engine:
    """Connects at the first call, and again after a failure to connect. Safe from any thread."""

    def __init__(self, *, path: str = SOCKET, address: str = "") -> None:
        """`address` is the user's DOCKER_HOST: only read, to refuse an engine elsewhere and to say what is wrong."""
        self.path = path
        self.address = address
        self._lock = threading.Lock()
        self._clients: tuple[Any, Any] | None = None
        self._failure: tuple[float, Exception] | None = None
        self.version = ""

    def close(self) -> None:
        """Drop the connections; the next call opens new ones."""
        self._drop(self._clients)

    def info(self) -> Inspected:
        """Return what `docker info` knows."""
        return self._read(lambda client: client.info())

    def container(self, id_or_name: str) -> Inspected | None:
        """Return one container, or None."""
        return self._read_or_none(lambda client: client.inspect_container(id_or_name))

    def containers(self, labels: Mapping[str, str] | None = None) -> list[Inspected]:
        """Return all containers with these labels, stopped ones included; with none given, all that run. Short form."""
        filters = {"label": [f"{key}={value}" for key, value in labels.items()]} if labels else None
        return self._read(lambda client: client.containers(all=labels is not None, filters=filters))

    def find_port_holder(self, port: int) -> str:
        """Return `container web-1`, or "" when no container publishes the port or the engine does not respond."""
        with contextlib.suppress(ProblemError):
            for container in self.containers():
                if any(binding.get("PublicPort") == port for binding in container.get("Ports") or []):
                    return f"container {container['Names'][0].lstrip('/')}"
        return ""

    def network(self, name: str) -> Inspected | None:
        """Return one network, or None."""
        return self._read_or_none(lambda client: client.inspect_network(name))

    def image(self, id: str) -> Inspected | None:
        """Return one image, or None."""
        return self._read_or_none(lambda client: client.inspect_image(id))

    def stats(self, id: str) -> Inspected | None:
        """Return use of memory and processor at this moment, or None when it is gone."""
        return self._read_or_none(lambda client: client.stats(id, stream=False, one_shot=True))

    def logs(self, id: str, *, since_s: float, limit: int) -> str:
        """Return the last `limit` lines of output since then, each with its time in front; "" when it is gone."""
        options: dict[str, Any] = {"since": since_s} if since_s > 0 else {}
        text = self._read_or_none(lambda client: client.logs(id, timestamps=True, tail=limit, **options))
        return (text or b"").decode("utf-8", "replace")

    def exit_events(self, id: str, since: str, until: str) -> list[Inspected]:
        """Return the events of a container's end (`oom`, `die`) between two times, as far as the engine remembers them."""
        filters = {"container": id, "event": ["oom", "die"]}
        return self._read(lambda client: list(client.events(since=since, until=until, filters=filters, decode=True)))

    def create(self, name: str, body: Mapping[str, Any], context: ErrorContext) -> str:
        """Create a container, not started; return its id."""
        created = self._write(lambda client: client.create_container_from_config(dict(body), name), context)
        return str(created["Id"])

    def start(self, id: str, context: ErrorContext) -> None:
        """Start it. Raises PORT-01 when its port is taken; the container is then still there, created: remove it."""
        self._write(lambda client: client.start(id), context)

    def restart(self, id: str, *, grace_s: int) -> None:
        """Stop and start the same container."""
        self._write(lambda client: client.restart(id, timeout=grace_s))

    def stop(self, id: str, *, grace_s: int) -> None:
        """TERM, wait, KILL. One that is paused is unpaused first, or it would never see the TERM."""
        container = self.container(id)
        if container is None:
            return
        if container["State"].get("Paused"):
            self.unpause(id)
        self._write_if_present(lambda client: client.stop(id, timeout=grace_s))

    def unpause(self, id: str) -> None:
        """Resume a paused container."""
        self._write_if_present(lambda client: client.unpause(id))

    def rename(self, id: str, name: str) -> None:
        """Give it another name; one that has it already keeps it."""
        container = self.container(id)
        if container is None or container["Name"] != f"/{name}":
            self._write(lambda client: client.rename(id, name), ErrorContext(container=name))

    def remove(self, id: str) -> None:
        """Remove it, running or not, and return when its name is free; somebody may be removing it already.

        Raises DOCK-14 when that takes too long: its name would seem to be taken by a stranger.
        """
        self._write_if_present(lambda client: client.remove_container(id, force=True, v=True))
        deadline = time.monotonic() + READ_TIMEOUT_S
        while (container := self.container(id)) is not None:
            if time.monotonic() >= deadline:
                raise ContainerNotRemovedError(container["Name"].lstrip("/"))
            time.sleep(_POLL_S)

    def create_network(self, name: str, labels: Mapping[str, str]) -> None:
        """Create a bridge network."""
        self._write(
            lambda client: client.create_network(name, driver="bridge", labels=dict(labels), check_duplicate=True)
        )

    def connect(self, network: str, id: str, alias: str) -> None:
        """Connect a container to a network, where others find it as `alias`."""
        self._write(lambda client: client.connect_container_to_network(id, network, aliases=[alias]))

    def _read(self, call: Callable[[Any], T]) -> T:
        return self._call(call, 0, ErrorContext())

    def _write(self, call: Callable[[Any], T], context: ErrorContext | None = None) -> T:
        return self._call(call, 1, context or ErrorContext())

    def _read_or_none(self, call: Callable[[Any], T]) -> T | None:
        def guarded(client: Any) -> T | None:  # noqa: ANN401 - the library has no types
            try:
                return call(client)
            except NotFound:
                return None
            except docker.errors.APIError as error:
                if "marked for removal" in str(error):
                    return None
                raise

        return self._read(guarded)

    def _write_if_present(self, call: Callable[[Any], object]) -> None:
        """Change something that may be gone, or going, by now: that is success."""

        def guarded(client: Any) -> None:  # noqa: ANN401 - the library has no types
            try:
                call(client)
            except NotFound:
                return
            except docker.errors.APIError as error:
                if "already in progress" not in str(error) and "is not paused" not in str(error):
                    raise

        self._write(guarded)

    def _call(self, call: Callable[[Any], T], which: int, context: ErrorContext) -> T:
        clients = None
        try:
            clients = self._connect()
            return call(clients[which])
        except ProblemError:
            raise
        except _FAILURES as error:
            if getattr(error, "response", None) is None:
                # The connection is unusable; the next call finds out why before it opens another.
                self._drop(clients)
            raise to_problem(error, self._with_details(error, context)) from error

    def _drop(self, clients: tuple[Any, Any] | None) -> None:
        """Close the clients; without the lock, which somebody who is trying to connect may hold for long."""
        if clients is not None and self._clients is clients:
            self._clients = None
            for client in clients:
                client.close()

    def _connect(self) -> tuple[Any, Any]:
        """Return the clients. While the engine is away one caller at a time tries; the others get the last failure."""
        known = self._failure
        if known is not None and not self._lock.acquire(blocking=False):
            raise known[1].with_traceback(None)
        if known is None:
            self._lock.acquire()
        try:
            if self._clients is None:
                if self._failure is not None and time.monotonic() - self._failure[0] < RETRY_S:
                    raise self._failure[1].with_traceback(None)
                self._clients = self._reconnect()
            return self._clients
        finally:
            self._lock.release()

    def _reconnect(self) -> tuple[Any, Any]:
        try:
            clients = self._open_clients()
        except _FAILURES as error:
            self._failure = (time.monotonic(), error)
            raise
        self._failure = None
        return clients

    def _open_clients(self) -> tuple[Any, Any]:
        if self.address and not self.address.startswith("unix://"):
            raise RemoteEngineError(self.address)
        self._check_socket()
        version = self._read_version()
        if tuple(int(part) for part in version["ApiVersion"].split(".")[:2]) < MIN_API:
            raise EngineTooOldError(version["Version"], version["ApiVersion"])
        self.version = f"{version['Version']} (API {version['ApiVersion']})"
        reader, writer = (self._client(version["ApiVersion"], seconds) for seconds in (READ_TIMEOUT_S, WRITE_TIMEOUT_S))
        return reader, writer

    def _check_socket(self) -> None:
        """Connect and close: the plain error says more than what the library makes of it."""
        if not stat.S_ISSOCK(Path(self.path).stat().st_mode):
            raise FileNotFoundError(self.path)
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(READ_TIMEOUT_S)
            probe.connect(self.path)

    def _read_version(self) -> Inspected:
        client = self._client(".".join(map(str, MIN_API)), READ_TIMEOUT_S)
        try:
            version: Inspected = client.version(api_version=False)
            return version
        finally:
            client.close()

    def _client(self, version: str, timeout_s: int) -> Any:  # noqa: ANN401 - the library has no types
        return docker.APIClient(base_url=f"unix://{self.path}", version=version, timeout=timeout_s)

    def _with_details(self, error: Exception, context: ErrorContext) -> ErrorContext:
        """Return `context` with what there is to know about the failure: who may use the socket, or who has the port."""
        if getattr(error, "response", None) is not None:
            taken = "already allocated" in str(error) or "already in use" in str(error)
            return replace(context, holder=self.find_port_holder(context.port)) if taken and context.port else context
        try:
            socket_stat = Path(self.path).stat()
        except OSError:
            return replace(context, socket=self.path, address=self.address)
        is_ours = socket_stat.st_gid in {*os.getgroups(), os.getegid()} and socket_stat.st_mode & stat.S_IWGRP
        group = None if is_ours else socket_stat.st_gid
        return replace(context, socket=self.path, socket_group=group, address=self.address)
