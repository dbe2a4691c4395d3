"""The logs of all runs: one append-only file of JSON lines each. The only module that writes or reads them."""

import os
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from app.panel.logs.journal import Journal
from app.panel.logs.line import LineFilter, LogCounts, LogLine, split_text
from pipeline.core.events import Level

FILE: Final = "log.jsonl"
KEPT_OPEN: Final = 32  # journals whose index stays in memory
EVERY_LINE: Final = LineFilter()
_decode = msgspec.json.Decoder(LogLine).decode

NewLine = tuple[datetime, str, int, Level, str]


class LogStore:
    """Lines by run and seq. Sync, thread-safe; seq counts from 1 within a run, without gaps."""

    def __init__(self, runs_dir: Path) -> None:
        self._runs_dir = runs_dir
        self._lock = threading.Lock()
        self._journals: OrderedDict[str, Journal] = OrderedDict()
        self._n_users: Counter[str] = Counter()

    def path(self, run_id: str) -> Path:
        """Return the path of a run's log, whether or not there is one yet."""
        return self._runs_dir / run_id / FILE

    def append(self, run_id: str, lines: Iterable[NewLine]) -> int:
        """Add (at, stage, attempt, level, text) and return the last seq. Texts beyond 16 KiB become several lines.

        A full disk costs these lines, never the run: the next lines that fit are preceded by one that says how many
        are missing.
        """
        records = [
            (at.isoformat(timespec="milliseconds"), stage, attempt, level, line)
            for at, stage, attempt, level, text in lines
            for line in split_text(text)
        ]
        with self._using(run_id) as journal:
            return journal.append(records)

    def close(self, run_id: str) -> None:
        """Make the log of an ended run durable and close its file. Later reads still work."""
        with self._using(run_id) as journal:
            journal.close()

    def read(
        self, run_id: str, after: int = 0, limit: int | None = 200, selection: LineFilter = EVERY_LINE
    ) -> list[LogLine]:
        """Return selected lines with seq > `after`, in order, at most `limit`. An unknown run has no lines."""
        return list(islice(self.select(run_id, after, selection), limit))

    def select(self, run_id: str, after: int = 0, selection: LineFilter = EVERY_LINE) -> Iterator[LogLine]:
        """Yield all selected lines with seq > `after` that exist when they are reached."""
        return filter(selection.passes, map(_decode, self.iterate(run_id, after)))

    def read_raw(self, run_id: str, after: int = 0, limit: int = 200) -> list[bytes]:
        """Return the stored lines themselves, JSON without line end, seq `after` + 1 first; for streams and downloads."""
        with self._using(run_id) as journal:
            return journal.read(after, limit)

    def recent(self, run_id: str, after: int, limit: int) -> list[bytes] | None:
        """Return what `read_raw` would, from memory and without waiting; None where only the disk has it."""
        with self._lock:
            journal = self._journals.get(run_id)
        return None if journal is None else journal.recent(after, limit)

    def iterate(self, run_id: str, after: int = 0) -> Iterator[bytes]:
        """Yield all stored lines with seq > `after` that exist when they are reached."""
        while lines := self.read_raw(run_id, after, 1000):
            yield from lines
            after += len(lines)

    def counts(self, run_id: str) -> LogCounts:
        """Return the number of lines, warnings and errors, and the seq of the first error."""
        with self._using(run_id) as journal:
            return journal.counts()

    def starts(self, run_id: str) -> dict[tuple[str, int], str]:
        """Return when each attempt of each stage wrote its first line (ISO 8601), by stage and attempt."""
        with self._using(run_id) as journal:
            return journal.starts()

    @contextmanager
    def _using(self, run_id: str) -> Iterator[Journal]:
        """Yield the one journal of the run: writers and readers must share it, so none that is in use is dropped."""
        if run_id in {"", ".", ".."} or os.sep in run_id:
            raise ValueError(run_id)
        with self._lock:
            journal = self._journals.get(run_id)
            if journal is None:
                journal = self._journals[run_id] = Journal(self.path(run_id))
            self._journals.move_to_end(run_id)
            self._n_users[run_id] += 1
        try:
            yield journal
        finally:
            with self._lock:
                self._n_users[run_id] -= 1
                for old in list(self._journals)[:-KEPT_OPEN]:
                    if self._journals[old].idle and not self._n_users[old]:
                        del self._journals[old], self._n_users[old]
