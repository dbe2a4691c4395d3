"""Becomes a child: `exec_shim.py PARENT_PID MEMORY_BYTES USER_ID COMMAND...`. Run as a script, isolated, before the command.

Asks the kernel to kill this process when the parent's thread that started it is gone: a parent that is killed with
signal 9 cannot stop anything. Not with 0 for the parent: that is a process that outlives it.

No child gains privileges by what it executes, such as sudo, or leaves an image of its memory. Further limits are 0 for
none: how much private memory it may allocate, and the number of the user and group that it becomes, without any other
group; root only can ask for that. With a limit, the files that it makes are its user's alone.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends. Does nothing where that is not offered."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def outlive_parent() -> None:
    """Take `die_with_parent` back."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, 0)


def confine(memory_bytes: int, user_id: int) -> None:
    """Give up, for this process and what it executes, what the command does not need."""
    _limit(resource.RLIMIT_CORE, 0)
    if memory_bytes:
        os.umask(0o077)
        _limit(resource.RLIMIT_DATA, memory_bytes)
    if user_id:
        os.setgroups([])
        os.setgid(user_id)
        os.setuid(user_id)
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    with contextlib.suppress(ValueError, OSError):  # macOS refuses some
        resource.setrlimit(kind, (value, value))


if __name__ == "__main__":
    confine(int(sys.argv[2]), int(sys.argv[3]))
    if parent := int(sys.argv[1]):
        # After the change of user, which would clear it.
        die_with_parent()
        if os.getppid() != parent:
            # The parent died before the call above.
            sys.exit(1)
    os.execv(sys.argv[4], sys.argv[4:])  # noqa: S606 - the command, not a shell
