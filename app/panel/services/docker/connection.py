"""The connection to the Docker engine: opened at the first use, dropped when it fails, opened again after a moment."""

import os
import socket
import stat
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import docker
import requests
import urllib3
from docker.errors import DockerException

from app.panel.services.docker.engine_errors import ErrorContext
from app.panel.services.docker.engine_problems import MIN_API, EngineTooOldError, RemoteEngineError

READ_TIMEOUT_S: Final = 5
WRITE_TIMEOUT_S: Final = 60
RETRY_S: Final = 1.0
FAILURES: Final = (DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)


class Clients(NamedTuple):
    """One client that waits briefly and one that waits long; the library has no types."""

    reader: Any
    writer: Any


class EngineConnection:
    """Opens the clients and keeps them. Safe from any thread."""

    def __init__(self, path: str, address: str, source: str = "") -> None:
        self._path = path
        self._address = address
        self._source = source
        self._lock = threading.Lock()
        self._clients: Clients | None = None
        self._failure: tuple[float, Exception] | None = None
        self.version = ""
        self.is_podman = False

    def clients(self) -> Clients:
        """Return the clients; raise one of FAILURES or a ProblemError when the engine cannot be reached.

        While the engine is away one caller at a time tries; the others get the last failure.
        """
        known = self._failure
        if known is not None and not self._lock.acquire(blocking=False):
            raise known[1].with_traceback(None)
        if known is None:
            self._lock.acquire()
        try:
            if self._clients is None:
                if self._failure is not None and time.monotonic() - self._failure[0] < RETRY_S:
                    raise self._failure[1].with_traceback(None)
                self._clients = self._open()
            return self._clients
        finally:
            self._lock.release()

    def drop(self, clients: Clients | None) -> None:
        """Close these clients; without the lock, which somebody who is trying to connect may hold for long."""
        if clients is not None and self._clients is clients:
            self._clients = None
            for client in clients:
                client.close()

    def close(self) -> None:
        """Close the clients; the next use opens new ones."""
        self.drop(self._clients)

    def with_socket(self, context: ErrorContext) -> ErrorContext:
        """Return `context` with what there is to know about the socket: where it is, what it is and which group may use it."""
        context = replace(context, socket=self._path, address=self._address, socket_source=self._source)
        try:
            socket_stat = Path(self._path).stat()
        except FileNotFoundError:
            return replace(context, found="nothing")
        except OSError:
            return context
        if not stat.S_ISSOCK(socket_stat.st_mode):
            return replace(context, found="a folder" if stat.S_ISDIR(socket_stat.st_mode) else "a file")
        is_ours = socket_stat.st_gid in {*os.getgroups(), os.getegid()} and socket_stat.st_mode & stat.S_IWGRP
        group = None if is_ours else socket_stat.st_gid
        return replace(context, socket_group=group)

    def _open(self) -> Clients:
        try:
            clients = self._open_checked()
        except FAILURES as error:
            self._failure = (time.monotonic(), error)
            raise
        self._failure = None
        return clients

    def _open_checked(self) -> Clients:
        if self._address and not self._address.startswith("unix://"):
            raise RemoteEngineError(self._address)
        self._check_socket()
        version = self._read_version()
        if tuple(int(part) for part in version["ApiVersion"].split(".")[:2]) < MIN_API:
            raise EngineTooOldError(version["Version"], version["ApiVersion"])
        self.is_podman = any("podman" in each.get("Name", "").lower() for each in version.get("Components") or [])
        self.version = f"{version['Version']} (API {version['ApiVersion']})"
        return Clients(*(self._client(version["ApiVersion"], limit_s) for limit_s in (READ_TIMEOUT_S, WRITE_TIMEOUT_S)))

    def _check_socket(self) -> None:
        """Connect and close: the plain error says more than what the library makes of it."""
        if not stat.S_ISSOCK(Path(self._path).stat().st_mode):
            raise FileNotFoundError(self._path)
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(READ_TIMEOUT_S)
            probe.connect(self._path)

    def _read_version(self) -> dict[str, Any]:
        client = self._client(".".join(map(str, MIN_API)), READ_TIMEOUT_S)
        try:
            version: dict[str, Any] = client.version(api_version=False)
            return version
        finally:
            client.close()

    def _client(self, version: str, timeout_s: int) -> Any:  # noqa: ANN401 - the library has no types
        return docker.APIClient(base_url=f"unix://{self._path}", version=version, timeout=timeout_s)
