"""Becomes a child: `exec_shim.py PARENT_PID COMMAND...`. Run as a script, isolated, before the command is executed.

Asks the kernel to kill this process when the parent's thread that started it is gone: a parent that is killed with
signal 9 cannot stop anything. Where the kernel has no such call (macOS), `reaper.py` alone does that work.
"""

import contextlib
import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends. Does nothing where that is not offered."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    die_with_parent()
    if os.getppid() != int(sys.argv[1]):
        # The parent died before the call above.
        sys.exit(1)
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - the command, not a shell
