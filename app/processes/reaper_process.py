"""The handle of the reaper: the process that ends what the kernel would not end with the parent."""

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

SCRIPT: Final = Path(__file__).with_name("reaper.py")


class ReaperProcess:
    """Keeps the list of process groups that must not outlive this process. Thread-safe; started at the first `add`."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._groups: frozenset[int] = frozenset()
        self._lock = threading.Lock()

    def add(self, group: int) -> None:
        """Have this process group killed when this process is gone."""
        with self._lock:
            self._groups |= {group}
            self._send(f"+{group}\n")

    def discard(self, group: int) -> None:
        """Forget this process group: it has ended, and its number may be given to another."""
        with self._lock:
            self._groups -= {group}
            self._send(f"-{group}\n")

    def close(self) -> None:
        """End the reaper; it kills the groups that are still listed."""
        with self._lock:
            if self._process is not None and self._process.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    self._process.stdin.close()
                self._process.wait()
                self._process = None

    def _send(self, line: str) -> None:
        """Write the line; a reaper that is gone is started again and given the whole list."""
        if self._process is not None and _write(self._process, line):
            return
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", "")},
            start_new_session=True,
        )
        _write(self._process, "".join(f"+{group}\n" for group in sorted(self._groups)))


def _write(process: subprocess.Popen[bytes], text: str) -> bool:
    """Return whether the process took the text; one that is gone is waited for."""
    assert process.stdin is not None
    try:
        process.stdin.write(text.encode())
        process.stdin.flush()
    except BrokenPipeError:
        process.wait()
        return False
    return True
