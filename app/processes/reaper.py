"""Outlives its parent by a moment, to end the process groups of its children. Run as a script, isolated.

Reads `+PGID` and `-PGID` lines from stdin. The end of stdin means that the parent is gone, however it went: then
every group that is still listed is killed, grandchildren included, and the reaper ends.
"""

import contextlib
import os
import signal
import sys

if __name__ == "__main__":
    groups: set[int] = set()
    for line in sys.stdin:
        if line[0] == "+":
            groups.add(int(line[1:]))
        else:
            groups.discard(int(line[1:]))
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
