"""Preloaded into the forkserver first, and nowhere else: what a stage leaves behind becomes the forkserver's child.

Importing it has that effect. So the panel can end everything that an attempt has started, also what has left the
attempt's session; and when the panel dies, the forkserver takes it along on its way out. Until `preloaded` is imported,
it only imports and would not notice: the kernel ends it then.
"""

import atexit
import ctypes
import os
import re
import select
import sys
import warnings
from contextlib import suppress
from typing import Final

from app.processes.exec_shim import die_with_parent
from app.processes.tree import kill_descendants

_PR_SET_CHILD_SUBREAPER: Final = 36
# The pid of the forkserver, in it and in the attempts that it forks; None everywhere else.
server_pid: int | None = None


def _adopt() -> None:
    global server_pid  # noqa: PLW0603 - what is forked from here on inherits it
    owner = server_pid = os.getpid()
    die_with_parent()
    if _panel_is_gone():  # before the call above
        os._exit(1)
    with suppress(OSError, AttributeError):  # macOS has no such call
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    # Orphans that we inherit are nobody's Process object; the forkserver would warn of each.
    warnings.filterwarnings("ignore", message="forkserver: waitpid returned unexpected pid")

    def leave() -> None:
        if os.getpid() == owner:
            kill_descendants(owner)

    atexit.register(leave)


def _panel_is_gone() -> bool:
    """Return whether nobody holds the other end of the pipe that the forkserver was started with any more."""
    alive = re.search(r"main\(\d+, (\d+),", sys.orig_argv[-1])
    return alive is not None and bool(select.select([int(alive[1])], [], [], 0)[0])


if "multiprocessing.forkserver" in sys.orig_argv[-1]:
    _adopt()
