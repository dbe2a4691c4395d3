"""How much memory this process may use. Light: stdlib only."""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

SHARE: Final = 0.75  # of the machine's memory; the rest is for the panel, its services and the system
_OWN_GROUPS: Final = Path("/proc/self/cgroup")
_GROUPS: Final = Path("/sys/fs/cgroup")
# Of C++, Python and numpy, pandas' CSV parser, onnxruntime, OpenMP, and the system.
_OUT_OF_MEMORY: Final = (
    "std::bad_alloc",
    "bad allocation",
    "MemoryError",
    "C error: out of memory",
    "Failed to allocate memory",
    "Out of memory allocating",
    "Cannot allocate memory",
    "can't start new thread",
)


def process_limit_bytes() -> int | None:
    """Return the limit on the private memory of this process, None where there is none."""
    limit = resource.getrlimit(resource.RLIMIT_DATA)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def use_reserve() -> None:
    """Let this process use what lies between its soft and its hard limit, to end in good order."""
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def is_out_of_memory(error: BaseException) -> bool:
    """Return True if memory ran out, whichever library says so: few of them raise MemoryError."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return says_out_of_memory(f"{error}")


def says_out_of_memory(text: str) -> bool:
    """Return True if the text is what a library writes where it gets no memory, or no thread for want of it."""
    return any(words in text for words in _OUT_OF_MEMORY)


def stage_share_bytes() -> int:
    """Return what a stage may use where nothing is set: three quarters of the machine's memory, or of the container's."""
    return int(SHARE * machine_bytes())


def machine_bytes(own_groups: Path = _OWN_GROUPS, groups: Path = _GROUPS) -> int:
    """Return the memory of this machine, or the lowest limit that a control group sets for this process."""
    own = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([own, *_group_limits(own_groups, groups)])


def _group_limits(own_groups: Path, groups: Path) -> Iterator[int]:
    """Yield the limits of this process's control group and of those above it, of both versions; none where unlimited."""
    for line in _lines(own_groups):
        _, controllers, name = line.split(":", 2)
        root, file = (groups, "memory.max") if not controllers else (groups / "memory", "memory.limit_in_bytes")
        if controllers and "memory" not in controllers.split(","):
            continue
        group = root / name.lstrip("/")
        for folder in (group, *group.parents):
            for text in _lines(folder / file):
                if text.isdigit():
                    yield int(text)
            if folder == root:  # inside a container that is its own group
                break


def _lines(path: Path) -> list[str]:
    with suppress(OSError):
        return path.read_text("ascii").splitlines()
    return []
