"""What a stage says while it works: one JSON object a line on stdout.

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
        """A line of the run's log."""
        self._write({"event": "log", "level": level, "text": text})

    def warning(self, text: str) -> None:
        """A line that also counts as a warning of the run."""
        self.log(text, "warning")

    def progress(self, done: float, total: float, label: str = "") -> None:
        """How far the stage is; `done` and `total` in the same unit, whatever it is."""
        self._write({"event": "progress", "done": done, "total": total, "label": label})

    def result(self, result: dict[str, object]) -> None:
        """The stage's result; the last event of a successful attempt."""
        self._write({"event": "result", "result": result})

    def error(self, problem: ProblemError) -> None:
        """The reason for which the attempt ends; the last event of a failed attempt."""
        self._write({"event": "error", **problem.as_dict()})

    def _write(self, event: dict[str, object]) -> None:
        line = json.dumps(event, ensure_ascii=False, allow_nan=False)
        # The name of a file may hold bytes that are no text; neither a terminal nor the panel could write them on.
        self._stream.write(line.encode("utf-8", "replace").decode() + "\n")
        self._stream.flush()
