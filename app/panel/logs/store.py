"""The logs of all runs: one append-only file of JSON lines each. The only module that writes or reads them."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from app.panel.logs.line import Level, LogCounts, LogLine


class LogStore:
    """Lines by run and seq. Sync, thread-safe; seq counts from 1 within a run, without gaps."""

    def __init__(self, runs_dir: Path) -> None:
        self._runs_dir = runs_dir

    def append(self, run_id: str, lines: Iterable[tuple[datetime, str, int, Level, str]]) -> int:
        """Add (at, stage, attempt, level, text) and return the last seq. Texts beyond 16 KiB become several lines."""
        raise NotImplementedError

    def read(
        self,
        run_id: str,
        after: int = 0,
        limit: int = 200,
        *,
        stage: str | None = None,
        level: Level | None = None,
        text: str | None = None,
    ) -> list[LogLine]:
        """Lines with seq > `after`, in order, at most `limit`.

        `level` keeps that level and worse; `text` keeps lines that contain it, whatever the case. An unknown run has
        no lines.
        """
        raise NotImplementedError

    def counts(self, run_id: str) -> LogCounts:
        """How many lines, warnings, errors; the seq of the first error."""
        raise NotImplementedError
