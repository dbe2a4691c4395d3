"""Whether a port is free, who holds it otherwise, and who listens on it."""

import errno
import socket
from collections.abc import Iterable

import psutil

from pipeline.core.problems import ProblemError


def check_free(host: str, port: int, setting: str) -> None:
    """Return if a server may listen there. Raises PORT-01 (taken, names the holder) or PORT-02 (not permitted)."""
    code = _try(host, port)
    if code == errno.EADDRINUSE:
        free = next((p for p in range(port + 1, min(port + 100, 65536)) if _try(host, p) == 0), port + 1)
        raise ProblemError(
            "PORT-01",
            f"Port {port} is used by {holder(port)}.",
            why="Two programs cannot listen on one port.",
            fix=f"Stop it, or set {setting} to a free port and start again.",
            command=f"{setting}={free} make run",
            retryable=True,
            status=409,
        )
    if code != 0:
        raise ProblemError(
            "PORT-02",
            f"Nothing may listen on {host} port {port}.",
            why=f"{errno.errorcode.get(code, code)}: the port or the address is not for this user or machine.",
            fix=f"Set {setting} to a port above 1023, and PANEL_HOST to an address of this machine.",
            command=f"{setting}={port + 8000 if port < 1024 else port} make run",
            status=409,
        )


def _try(host: str, port: int) -> int:
    """0, or the errno of binding there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno or errno.EADDRINUSE
    return 0


def holder(port: int) -> str:
    """Who listens on the port, for people: `nginx (process 812)`, or `another program` where that is hidden."""
    try:
        pid = next(
            (c.pid for c in psutil.net_connections("tcp") if _is_listener(c.status, c.laddr, port) and c.pid), None
        )
        return f"{psutil.Process(pid).name()} (process {pid})" if pid else "another program"
    except (psutil.Error, OSError):
        return "another program"


def listens(processes: Iterable[psutil.Process], port: int) -> bool:
    """Whether one of the processes listens on the port: what answers there is then that process, and nothing else."""
    for process in processes:
        try:
            if any(_is_listener(c.status, c.laddr, port) for c in process.net_connections("tcp")):
                return True
        except (psutil.Error, OSError):
            continue
    return False


def _is_listener(status: str, address: tuple[object, ...], port: int) -> bool:
    return status == psutil.CONN_LISTEN and address[1:2] == (port,)
