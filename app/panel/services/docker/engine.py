"""The Docker engine behind its socket: a handful of typed calls with deadlines. With `connection`, the only importer of `docker`.

Reading takes at most 5 s, writing at most 60 s. Whatever goes wrong leaves as a ProblemError (`engine_errors`), except
that something does not exist, which is a result: None, or nothing done.
"""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

import docker
from docker.errors import NotFound

from app.panel.services.docker.connection import FAILURES, READ_TIMEOUT_S, EngineConnection
from app.panel.services.docker.engine_errors import ErrorContext, to_problem
from app.panel.services.docker.host_container import SOCKET
from app.panel.services.docker.problems import ContainerNotRemovedError
from pipeline.core.problems import ProblemError

_POLL_S: Final = 0.05
Inspected = dict[str, Any]
T = TypeVar("T")


class Engine:
    """Connects at the first call, and again after a failure to connect. Safe from any thread."""

    def __init__(self, *, path: str = SOCKET, address: str = "", source: str = "") -> None:
        """`address` is the user's DOCKER_HOST, `source` the DOCKER_SOCK.

        Both are only read: to refuse an engine elsewhere and to say what is wrong.
        """
        self._connection = EngineConnection(path, address, source)

    @property
    def version(self) -> str:
        """Return the engine's version and that of its API; "" until it has responded."""
        return self._connection.version

    @property
    def is_podman(self) -> bool:
        """Return whether it has said that it is Podman."""
        return self._connection.is_podman

    def close(self) -> None:
        """Drop the connections; the next call opens new ones."""
        self._connection.close()

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
        """Return current memory and CPU use, or None when it is gone."""
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

    def create_network(self, name: str, labels: Mapping[str, str], options: Mapping[str, str]) -> None:
        """Create a bridge network with these options of its driver."""
        config = {"labels": dict(labels), "options": dict(options), "check_duplicate": True}
        self._write(lambda client: client.create_network(name, driver="bridge", **config))

    def remove_network(self, name: str) -> None:
        """Remove a network. Raises ProblemError (DOCK-08) while a container is connected to it."""
        self._write_if_present(lambda client: client.remove_network(name))

    def connect(self, network: str, id: str, aliases: Sequence[str]) -> None:
        """Connect a container to a network, where others find it by these names."""
        self._write(lambda client: client.connect_container_to_network(id, network, aliases=list(aliases)))

    def disconnect(self, network: str, id: str) -> None:
        """Take a container off a network; it keeps running."""
        self._write_if_present(lambda client: client.disconnect_container_from_network(id, network, force=True))

    def _read(self, call: Callable[[Any], T]) -> T:
        return self._call(call, ErrorContext(), writes=False)

    def _write(self, call: Callable[[Any], T], context: ErrorContext | None = None) -> T:
        return self._call(call, context or ErrorContext(), writes=True)

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

    def _call(self, call: Callable[[Any], T], context: ErrorContext, *, writes: bool) -> T:
        clients = None
        try:
            clients = self._connection.clients()
            return call(clients.writer if writes else clients.reader)
        except ProblemError:
            raise
        except FAILURES as error:
            if getattr(error, "response", None) is None:
                # The connection is unusable; the next call finds out why before it opens another.
                self._connection.drop(clients)
            raise to_problem(error, self._with_details(error, context)) from error

    def _with_details(self, error: Exception, context: ErrorContext) -> ErrorContext:
        """Return `context` with what there is to know about the failure: who may use the socket, or who has the port."""
        if getattr(error, "response", None) is None:
            return self._connection.with_socket(context)
        taken = "already allocated" in str(error) or "already in use" in str(error)
        return replace(context, holder=self.find_port_holder(context.port)) if taken and context.port else context
