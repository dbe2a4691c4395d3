"""The events that a stage reports while it runs: one JSON object per line on stdout.

The panel reads these lines from a file that the stage appends to, so a stage never waits for its reader.
A line that is not such an object is an ordinary log line of level `info`. Light: stdlib only.
"""

import json
import sys
from typing import IO, Literal

from pipeline.core.problems import ProblemError

Level = Literal["debug", "info", "warning", "error"]


class Events:
    """Writes events to a text stream; every call is one flushed line."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream

    def log(self, text: str, level: Level = "info") -> None:
        """Write a line of the run's log."""
        self._write({"event": "log", "level": level, "text": text})

    def warning(self, text: str) -> None:
        """Write a line that also counts as a warning of the run."""
        self.log(text, "warning")

    def progress(self, done: float, total: float, label: str = "") -> None:
        """Report progress; `done` and `total` are in the same unit, whatever it is."""
        self._write({"event": "progress", "done": done, "total": total, "label": label})

    def error(self, problem: ProblemError) -> None:
        """Report why the attempt failed: its last event."""
        self._write({"event": "error", **problem.as_dict()})

    def _write(self, event: dict[str, object]) -> None:
        line = json.dumps(event, ensure_ascii=False, allow_nan=False)
        # A file name may hold bytes that are not UTF-8; neither a terminal nor the panel could write them.
        self._stream.write(line.encode("utf-8", "replace").decode() + "\n")
        self._stream.flush()
