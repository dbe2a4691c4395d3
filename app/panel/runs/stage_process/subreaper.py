"""Preloaded into the forkserver and nowhere else: what a stage leaves behind becomes the forkserver's child.

Importing it has that effect. So the panel can end everything that an attempt has started, also what has left the
attempt's session; and when the panel dies, the forkserver takes it along on its way out.
"""

import atexit
import ctypes
import os
import sys
import warnings
from contextlib import suppress
from typing import Final

from app.processes.tree import kill_descendants

_PR_SET_CHILD_SUBREAPER: Final = 36


def _adopt() -> None:
    owner = os.getpid()
    with suppress(OSError, AttributeError):  # macOS has no such call
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    # Orphans that we inherit are nobody's Process object; the forkserver would warn of each.
    warnings.filterwarnings("ignore", message="forkserver: waitpid returned unexpected pid")

    def leave() -> None:
        if os.getpid() == owner:
            kill_descendants(owner)

    atexit.register(leave)


if "multiprocessing.forkserver" in sys.orig_argv[-1]:
    _adopt()
