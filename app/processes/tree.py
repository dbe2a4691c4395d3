"""A process and all that it started: who they are, whether they still run, and how they are ended."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

HAS_PROC: Final = Path("/proc/self/stat").exists()
_HAS_CHILDREN: Final = Path(f"/proc/self/task/{os.getpid()}/children").exists()
_POLL_S: Final = 0.01
# One may fork while we look; a process that forks without end must not keep us here without end.
MAX_ROUNDS: Final = 20

Identity = dict[str, object]


def identity(pid: int) -> Identity:
    """Return what tells this process from another one that gets the same pid later, ready for JSON; {} if it is gone."""
    if not HAS_PROC:
        process = _psutil_process(pid)
        return {} if process is None else {"pid": pid, "created_s": process.create_time()}
    try:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return {"pid": pid, "started_ticks": int(_stat(pid)[19]), "boot_id": boot_id}
    except OSError:
        return {}


def is_running(pid: int) -> bool:
    """Return whether there is such a process that has not ended; a zombie has."""
    if not HAS_PROC:
        process = _psutil_process(pid)
        return process is not None and process.is_running() and process.status() != "zombie"
    try:
        return _stat(pid)[0] != "Z"
    except OSError:
        return False


def parent(pid: int) -> int | None:
    """Return the pid of the process's parent; None if the process is gone."""
    if not HAS_PROC:
        process = _psutil_process(pid)
        return None if process is None else int(process.ppid())
    try:
        return int(_stat(pid)[1])
    except OSError:
        return None


def descendants(pid: int) -> list[int]:
    """Return the pids of all processes below `pid`, children before grandchildren."""
    if not _HAS_CHILDREN:
        process = _psutil_process(pid)
        return [] if process is None else [child.pid for child in process.children(recursive=True)]
    pids: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in task.read_text().split():
                pids += [int(child), *descendants(int(child))]
    return pids


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to the process group that `pid` leads, as far as there is one."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def kill_group(leader: Identity) -> None:
    """Kill the process group of the process with this identity, unless its pid belongs to another process by now."""
    pid = pid_of(leader)
    if pid is not None:
        signal_group(pid, signal.SIGKILL)


def kill_descendants(pid: int) -> None:
    """Kill all processes below `pid`, again and again until none is left."""
    for _ in range(MAX_ROUNDS):
        pids = [child for child in descendants(pid) if is_running(child)]
        if not pids:
            return
        for child in pids:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def end_tree(leader: Identity, grace_s: float) -> None:
    """Send TERM to the process group of `leader`; when it has ended, or after `grace_s`, kill its whole tree.

    Blocks until then. Whoever is the parent of the leader still has to wait for it.
    """
    pid = pid_of(leader)
    if pid is None:
        return
    # Noted before the end: what loses its parent is no descendant any more.
    family = [leader, *map(identity, descendants(pid))]
    if grace_s > 0:
        _terminate(pid, leader)
    deadline = time.monotonic() + grace_s
    while pid_of(leader) is not None and is_running(pid) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    signal_group(pid, signal.SIGKILL)
    for member in family:
        _signal(member, signal.SIGKILL)


def pid_of(noted: Identity) -> int | None:
    """Return the pid of the process with this identity; None if it is gone, and its pid perhaps another's."""
    pid = noted.get("pid")
    return pid if isinstance(pid, int) and identity(pid) == noted else None


def _terminate(pid: int, leader: Identity) -> None:
    try:
        os.killpg(pid, signal.SIGTERM)
    except ProcessLookupError:  # it does not lead a group yet
        _signal(leader, signal.SIGTERM)
    except PermissionError:
        pass


def _signal(noted: Identity, number: signal.Signals) -> None:
    """Send a signal to the process with this identity alone."""
    pid = pid_of(noted)
    if pid is not None:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _stat(pid: int) -> list[str]:
    """Return the fields of `/proc/PID/stat` from the state on (proc(5): field 3 is at 0). Raises OSError."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _psutil_process(pid: int) -> Any:  # noqa: ANN401 - a psutil.Process, or None
    """Return psutil's view of the process where there is no `/proc`; None if it is gone, or there is no psutil."""
    try:
        import psutil  # noqa: PLC0415 - not on Linux, and not in the serving environment
    except ImportError:
        return None
    try:
        return psutil.Process(pid)
    except psutil.Error:
        return None
