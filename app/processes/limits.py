"""Limits that a process sets for itself and for all that it starts, before it does what may go wrong."""

import resource
from contextlib import suppress
from pathlib import Path
from typing import Final

from app.processes.exec_shim import confine

# Between the soft and the hard limit on memory: with this the process can still say that it has run out of it.
RESERVE_BYTES: Final = 64 * 2**20
MAX_OPEN_FILES: Final = 1024
MORE_PROCESSES: Final = 1024


def limit(memory_bytes: int) -> None:
    """Limit this process to so much private memory and to 1,024 open files; it gains no privileges, as `confine` says.

    Its user cannot have more than 1,024 processes and threads beyond those that the machine has now; the kernel counts
    them for the user, not for this process, and never refuses root.

    Memory is what the process has allocated, whether it uses it or not: the kernel has no limit on what is used. Mapped
    files and shared memory do not count, nor does what is only reserved, of which allocators take 64 MB per thread.
    """
    confine(0, 0)
    _set(resource.RLIMIT_DATA, memory_bytes, memory_bytes + RESERVE_BYTES)
    _set(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)
    with suppress(OSError, ValueError, IndexError):
        # "0.20 0.18 0.12 1/380 11206": running and existing processes and threads of the machine
        n_existing = int(Path("/proc/loadavg").read_text("ascii").split()[3].partition("/")[2])
        _set(resource.RLIMIT_NPROC, n_existing + MORE_PROCESSES)


def _set(kind: int, soft: int, hard: int | None = None) -> None:
    """Set a limit, or keep the lower one that there is."""
    present = resource.getrlimit(kind)[1]
    hard = soft if hard is None else hard
    if present != resource.RLIM_INFINITY:
        soft, hard = min(soft, present), min(hard, present)
    with suppress(ValueError, OSError):  # macOS refuses some
        resource.setrlimit(kind, (soft, hard))
