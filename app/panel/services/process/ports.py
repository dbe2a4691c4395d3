"""Checks whether a port is free, who holds it otherwise, and who listens on it."""

import errno
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from app.panel.services.problems import PortTakenError
from app.panel.services.process.problems import PortUnusableError
from app.panel.services.process.service_processes import OWNER_VARIABLE
from app.web.server import listen

ACCESS: Final = "ML_PIPELINE_ACCESS"  # a folder in the state folder, of which each service is told


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
    """Return who listens on the port, for people: `nginx (process 812)`, or `another program` where that is hidden.

    A service of another panel is named by the state folder, with which `ml-pipeline down` ends it.
    """
    try:
        pid = next(
            (c.pid for c in psutil.net_connections("tcp") if _is_listener(c.status, c.laddr, port) and c.pid), None
        )
        if not pid:
            return "another program"
        process = psutil.Process(pid)
        return f"{_service(process) or process.name()} (process {pid})"
    except (psutil.Error, OSError):
        return "another program"


def _service(process: psutil.Process) -> str:
    with suppress(psutil.Error, OSError):
        environ = process.environ()
        if OWNER_VARIABLE in environ and ACCESS in environ:
            return f"a service of the state folder {Path(environ[ACCESS]).parent}"
    return ""


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
