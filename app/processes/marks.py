"""Finds processes by an environment variable that they inherited, also after all who started them are gone."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from app.processes.tree import HAS_PROC, MAX_ROUNDS, parent


def kill_marked(variable: str, mark: str, *, spare: int | None = None) -> int:
    """Kill all processes whose environment variable is `mark` or lies below it (`mark/...`); return their number.

    Not this process, nor `spare` with all that it started. An environment is that of a process's start: what it set
    itself later does not count.
    """
    killed: set[int] = set()
    for _ in range(MAX_ROUNDS):
        pids = {pid for pid in _marked(variable, mark) if spare is None or not _is_below(pid, spare)} - killed
        if not pids:
            break
        for pid in pids:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed |= pids
    return len(killed)


def _is_below(pid: int, ancestor: int) -> bool:
    """Return whether `pid` is `ancestor` or was started by it, directly or not; false where one in between has ended."""
    above: int | None = pid
    while above is not None and above > 1:
        if above == ancestor:
            return True
        above = parent(above)
    return False


def _marked(variable: str, mark: str) -> Iterator[int]:
    for pid, value in _values(variable):
        if pid != os.getpid() and (value == mark or value.startswith(f"{mark}/")):
            yield pid


def _values(variable: str) -> Iterator[tuple[int, str]]:
    """Yield pid and value for each process that has the variable, as far as this user may see."""
    if not HAS_PROC:
        yield from _values_by_psutil(variable)
        return
    prefix = f"{variable}=".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            for entry in path.read_bytes().split(b"\0"):
                if entry.startswith(prefix):
                    yield int(path.parent.name), entry.removeprefix(prefix).decode("utf-8", "replace")
                    break


def _values_by_psutil(variable: str) -> Iterator[tuple[int, str]]:
    try:
        import psutil  # noqa: PLC0415 - not on Linux, and not in the serving environment
    except ImportError:
        return
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if (value := process.environ().get(variable)) is not None:
                yield process.pid, value
