"""What a service uses: the memory and the processor time of all its processes together."""

import contextlib
from dataclasses import dataclass

import psutil

from app.processes.tree import descendants


@dataclass(frozen=True)
class Usage:
    """What was used by `at`, in monotonic seconds. `cpu_s` is since the start."""

    at: float
    memory_bytes: int
    cpu_s: float
    n_processes: int


def family(pid: int) -> list[psutil.Process]:
    """Return a process and all that it started, as far as they run."""
    processes = []
    for member in (pid, *descendants(pid)):
        with contextlib.suppress(psutil.Error):
            processes.append(psutil.Process(member))
    return processes


def measure(processes: list[psutil.Process], now: float) -> Usage:
    """Return what these processes use together, as far as they still run."""
    memory_bytes, cpu_s = 0, 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error, OSError):
            times = process.cpu_times()
            cpu_s += times.user + times.system
            memory_bytes += _memory_bytes(process)
    return Usage(now, memory_bytes, cpu_s, len(processes))


def _memory_bytes(process: psutil.Process) -> int:
    """Return PSS, which counts shared pages once over all processes; or RSS where the system has no PSS."""
    try:
        return int(getattr(process.memory_full_info(), "pss", 0)) or int(process.memory_info().rss)
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
