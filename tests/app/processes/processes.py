"""Processes that others leave behind."""

import sys
from pathlib import Path
from typing import Final

SLEEP: Final = (sys.executable, "-c", "import time; time.sleep(600)")


def double_fork(pid_file: Path, *, orphan: bool) -> str:
    """Return code that leaves a grandchild in a session of its own and writes its pid; `orphan`: its parent has ended."""
    return f"""
import os, time
from pathlib import Path
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        new = Path({str(pid_file)!r} + ".new")
        new.write_text(str(os.getpid()))
        new.rename({str(pid_file)!r})
        time.sleep(600)
    if {orphan}:
        os._exit(0)
time.sleep(600)
"""
