"""Preloaded into the forkserver and nowhere else: what a stage leaves behind becomes the forkserver's child.

Importing it has that effect. So the panel can end everything that an attempt has started, also what has left the
attempt's session; and when the panel dies, the forkserver takes it along on its way out.
"""

import atexit
import ctypes
import os
import signal
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Final

_PR_SET_CHILD_SUBREAPER: Final = 36


def descendants(pid: int) -> list[int]:
    """The pids of all processes below `pid`, children before grandchildren."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in task.read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def kill_descendants(pid: int) -> None:
    """Kill all processes below `pid`, again and again until none is left: one may fork while we look."""
    for _ in range(20):
        pids = [child for child in descendants(pid) if _alive(child)]
        if not pids:
            return
        for child in pids:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _adopt() -> None:
    owner = os.getpid()
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    # Orphans that we inherit are nobody's Process object; the forkserver would warn of each.
    warnings.filterwarnings("ignore", message="forkserver: waitpid returned unexpected pid")

    def leave() -> None:
        if os.getpid() == owner:
            kill_descendants(owner)

    atexit.register(leave)


if "multiprocessing.forkserver" in sys.orig_argv[-1]:
    _adopt()
