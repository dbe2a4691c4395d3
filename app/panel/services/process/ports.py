"""Checks whether a port is free, who holds it otherwise, and who listens on it."""

import errno
from collections.abc import Iterable

import psutil

from app.panel.services.problems import PortTakenError
from app.panel.services.process.problems import PortUnusableError
from app.web.server import listen


def check_free(host: str, port: int, setting: str) -> None:
    """Return if a server may listen there; raise PORT-01 (taken, names the holder) or PORT-02 (not permitted)."""
    error_number = _bind_error(host, port)
    if error_number == errno.EADDRINUSE:
        free_port = next((p for p in range(port + 1, min(port + 100, 65536)) if _bind_error(host, p) == 0), port + 1)
        raise PortTakenError(port, setting, holder=find_holder(port), free_port=free_port)
    if error_number != 0:
        raise PortUnusableError(host, port, setting, error_number=error_number)


def _bind_error(host: str, port: int) -> int:
    """Return the errno of binding there as servers do, 0 where it works."""
    try:
        sockets = listen(host, port)
    except OSError as error:
        return error.errno or errno.EADDRINUSE
    for each in sockets:
        each.close()
    return 0


def find_holder(port: int) -> str:
    """Return who listens on the port, for people: `nginx (process 812)`, or `another program` where that is hidden."""
    try:
        pid = next(
            (c.pid for c in psutil.net_connections("tcp") if _is_listener(c.status, c.laddr, port) and c.pid), None
        )
        return f"{psutil.Process(pid).name()} (process {pid})" if pid else "another program"
    except (psutil.Error, OSError):
        return "another program"


def is_listening(processes: Iterable[psutil.Process], port: int) -> bool:
    """Return whether one of the processes listens on the port: what responds there is then that process, nothing else."""
    for process in processes:
        try:
            if any(_is_listener(c.status, c.laddr, port) for c in process.net_connections("tcp")):
                return True
        except (psutil.Error, OSError):
            continue
    return False


def _is_listener(status: str, address: tuple[object, ...], port: int) -> bool:
    return status == psutil.CONN_LISTEN and address[1:2] == (port,)
