"""A run's log as people see it: the filter that is in the address, and lines ready for a template."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar, Final, cast, get_args
from urllib.parse import urlencode

from fastapi import Query
from markupsafe import Markup

from app.panel.logs.line import LEVELS, Level, LogLine
from app.panel.logs.store import LogStore
from app.web.ansi import render
from app.web.templating import View
from pipeline.stage import STAGES, StageName

# What a page shows at once; what came before is one click away, and the download has everything.
PAGE_LINES: Final = 2000


@dataclass(frozen=True)
class LogFilter:
    """Which lines are shown: of one stage, of a level and worse, with a text in them. Nothing narrows by default."""

    stage: StageName | None = None
    level: Level | None = None
    text: str = ""

    @property
    def query(self) -> str:
        """The filter as it stands in an address, without "?"."""
        given = {"stage": self.stage, "level": self.level, "q": self.text}
        return urlencode({name: value for name, value in given.items() if value})

    def read(self, store: LogStore, run_id: str, after: int, limit: int) -> list[LogLine]:
        """Lines after `after` that pass."""
        return store.read(run_id, after, limit, stage=self.stage, level=self.level, text=self.text or None)

    def passes(self, line: LogLine) -> bool:
        """Whether one line passes; the same rule as `read`."""
        is_stage = self.stage is None or line.stage == self.stage
        is_level = self.level is None or LEVELS.index(line.level) >= LEVELS.index(self.level)
        return is_stage and is_level and self.text.lower() in line.text.lower()


def log_filter(
    stage: Annotated[str, Query(max_length=40)] = "",
    level: Annotated[str, Query(max_length=10)] = "",
    q: Annotated[str, Query(max_length=200)] = "",
) -> LogFilter:
    """The filter in the address; what is not known narrows nothing, so that an old link still opens."""
    known_stage = cast("StageName", stage) if stage in get_args(StageName) else None
    known_level = level if level in LEVELS and level != LEVELS[0] else None
    return LogFilter(stage=known_stage, level=known_level, text=q.strip())


@dataclass(frozen=True)
class ShownLine:
    """One line, ready: `clock` is its time of day where the server is, `html` safe markup, `href` its own address."""

    seq: int
    at: str
    clock: str
    stage: str
    level: Level
    html: Markup
    href: str


@dataclass(frozen=True)
class LinesView(View):
    """Some lines."""

    TEMPLATE: ClassVar[str] = "panel/_log_lines.html"

    lines: tuple[ShownLine, ...]


@dataclass(frozen=True)
class LogView:
    """The viewer. `after` is the seq from which live lines go on; `skipped` says how many lines lie before the first.

    `first_error` is the seq of the first error of the whole log, None where there is none.
    """

    run_id: str
    filter: LogFilter
    lines: tuple[ShownLine, ...]
    after: int
    n_lines: int
    n_shown: int
    n_warnings: int
    n_errors: int
    first_error: int | None
    skipped: int
    is_live: bool
    stages: tuple[str, ...] = STAGES
    levels: tuple[str, ...] = LEVELS


def shown(lines: list[LogLine], filter: LogFilter) -> tuple[ShownLine, ...]:
    """Lines ready for the template; in a filtered view a line's number leads to it among its neighbours."""
    base = "?" if filter.query else ""
    return tuple(
        ShownLine(
            seq=line.seq,
            at=line.at,
            clock=f"{datetime.fromisoformat(line.at).astimezone():%H:%M:%S.%f}"[:-3],
            stage=line.stage,
            level=line.level,
            html=render(line.text, filter.text),
            href=f"{base}#L{line.seq}",
        )
        for line in lines
    )


def viewer(store: LogStore, run_id: str, filter: LogFilter, *, is_live: bool, show_all: bool = False) -> LogView:
    """The viewer of a run's log with its last lines, or with all of them."""
    counts = store.counts(run_id)
    # Lines that arrive between the two reads are left to the live stream, or a reload.
    skipped = 0 if show_all or filter.query else max(0, counts.n_lines - PAGE_LINES)
    limit = counts.n_lines if show_all or filter.query else PAGE_LINES
    lines = [line for line in filter.read(store, run_id, skipped, max(limit, 1)) if line.seq <= counts.n_lines]
    return LogView(
        run_id=run_id,
        filter=filter,
        lines=shown(lines, filter),
        after=counts.n_lines,
        n_lines=counts.n_lines,
        n_shown=len(lines),
        n_warnings=counts.n_warnings,
        n_errors=counts.n_errors,
        first_error=counts.first_error_seq,
        skipped=skipped,
        is_live=is_live,
    )
