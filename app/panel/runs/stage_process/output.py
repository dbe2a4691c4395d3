"""Follows the output of an attempt: it becomes lines of the run's log and a report of the stage."""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.panel.clock import Clock
from app.panel.logs.line import EVENT_START, LEVELS, LineSplitter
from app.panel.logs.store import LogStore, NewLine
from app.panel.runs.domain.queries import Progress
from pipeline.core.events import Level
from pipeline.core.memory import says_out_of_memory

MAX_STAGE_BYTES: Final = 100 * 2**20
READ_BYTES: Final = 1 * 2**20


@dataclass(slots=True)
class StageReport:
    """The events that an attempt has reported besides lines. `error` has the members of ProblemError.as_dict.

    `out_of_memory`: a library has written that it got no memory, as it does before it ends the process.
    """

    compute_s: float | None = None
    error: Mapping[str, Any] | None = None
    progress: Progress | None = None
    out_of_memory: bool = False


class StageOutput:
    """Reads the file that an attempt appends to. Sync; one reader.

    At most 100 MB of one attempt go into the log; then a marker says so, and the file is emptied as it grows, so
    that a stage that floods its log does not fill the disk.
    """

    def __init__(
        self,
        path: Path,
        *,
        run_id: str,
        stage: str,
        attempt: int,
        logs: LogStore,
        clock: Clock,
        max_bytes: int = MAX_STAGE_BYTES,
    ) -> None:
        self._path = path
        self._run_id, self._stage, self._attempt = run_id, stage, attempt
        self._logs, self._clock = logs, clock
        self._max_bytes = max_bytes
        self._splitter = LineSplitter()
        self._offset = 0
        self._n_bytes = 0
        self.report = StageReport()

    def pending(self) -> bool:
        """Return whether there is new output; quick enough for the event loop."""
        try:
            return self._path.stat().st_size > self._offset
        except FileNotFoundError:
            return False

    def poll(self) -> bool:
        """Ingest new output, at most 1 MB; return whether there was any."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read(READ_BYTES)
        except FileNotFoundError:
            return False
        if not data:
            return False
        self._offset += len(data)
        self._ingest(self._splitter.feed(data))
        if self._n_bytes > self._max_bytes and self._offset > 8 * READ_BYTES:
            with suppress(OSError):  # it is opened for appending: the writer goes on at the new end
                os.truncate(self._path, 0)
                self._offset = 0
        return True

    def finish(self) -> None:
        """Ingest the rest after the process has ended, and remove the file."""
        while self.poll():
            pass
        self._ingest(self._splitter.flush())
        with suppress(OSError):  # a read-only disk; what is left is small
            self._path.unlink(missing_ok=True)

    def _ingest(self, texts: list[str]) -> None:
        lines: list[NewLine] = []
        now = self._clock.now()
        for text in texts:
            level, line = self._parse_line(text)
            if line is None:
                continue
            if self._n_bytes > self._max_bytes:
                continue
            self._n_bytes += len(line)
            if self._n_bytes > self._max_bytes:
                level, line = "warning", f"This stage has logged {self._max_bytes >> 20} MB; the rest is omitted."
            lines.append((now, self._stage, self._attempt, level, line))
        if lines:
            self._logs.append(self._run_id, lines)

    def _parse_line(self, text: str) -> tuple[Level, str | None]:
        """Return the level and the text to log; None for an event that is no line."""
        if text.encode("utf-8", "replace").startswith(EVENT_START):
            with suppress(ValueError, TypeError, KeyError):
                event = json.loads(text)
                return _EVENTS[event["event"]](self.report, event)
        self.report.out_of_memory |= says_out_of_memory(text)
        return "info", text


def _log(_report: StageReport, event: Mapping[str, Any]) -> tuple[Level, str | None]:
    level: Level = event["level"] if event.get("level") in LEVELS else "info"
    return level, str(event["text"])


def _progress(report: StageReport, event: Mapping[str, Any]) -> tuple[Level, str | None]:
    report.progress = Progress(float(event["done"]), float(event["total"]), str(event.get("label", "")))
    return "info", None


def _error(report: StageReport, event: Mapping[str, Any]) -> tuple[Level, str | None]:
    report.error = {key: value for key, value in event.items() if key != "event"}
    parts = [f"{event['id']}: {event['what']}", event.get("why"), event.get("fix")]
    return "error", " ".join(str(part) for part in parts if part)


def _attempt(report: StageReport, event: Mapping[str, Any]) -> tuple[Level, str | None]:
    report.compute_s = float(event["compute_s"])
    return "info", None


_EVENTS: Final[Mapping[str, Callable[[StageReport, Mapping[str, Any]], tuple[Level, str | None]]]] = {
    "log": _log,
    "progress": _progress,
    "error": _error,
    "attempt": _attempt,
}
