"""Becomes a service: `exec_shim.py PANEL_PID COMMAND...`. Run as a script, isolated, before the service is executed.

Asks the kernel to kill this process when the panel's thread that started it is gone: a panel that is killed with
signal 9 cannot stop anything. Where the kernel has no such call (macOS), `reaper.py` alone does that work.
"""

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        # The panel died before the call above.
        sys.exit(1)
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - the service, not a shell
