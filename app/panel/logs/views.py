"""A run's log as people see it: the filter that is in the address, and lines ready for a template."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal, cast, get_args
from urllib.parse import urlencode

from fastapi import Cookie, Query
from markupsafe import Markup

from app.panel.logs.line import LEVELS, LineFilter, LogLine
from app.panel.logs.store import LogStore
from app.web.ansi import ansi_to_html
from app.web.templating import View
from pipeline.core.events import Level
from pipeline.core.stage import STAGE_TITLES, STAGES, StageName

# Lines on a page; earlier ones are one click away, and the download has everything.
PAGE_LINES: Final = 2000
MAX_PAGE_LINES: Final = 20_000  # whatever is requested: nobody reads a longer page
LINES_BEFORE: Final = 200  # context above a line that the address names
OPTIONS_COOKIE: Final = "log_view"
Times = Literal["clock", "since", "off"]
Starts = Mapping[tuple[str, int], str]


class LogFilter(LineFilter, frozen=True, kw_only=True):
    """The filter of the log viewer, as it stands in the address."""

    @property
    def query(self) -> str:
        """Return the filter as the query of an address, without "?"."""
        values = {"stage": self.stage, "attempt": self.attempt, "level": self.level, "q": self.text}
        return urlencode({name: value for name, value in values.items() if value})


def log_filter(
    stage: Annotated[str, Query(max_length=40)] = "",
    attempt: Annotated[str, Query(max_length=10)] = "",
    level: Annotated[str, Query(max_length=10)] = "",
    q: Annotated[str, Query(max_length=200)] = "",
) -> LogFilter:
    """Return the filter in the address; unknown values select everything, so that an old link still opens."""
    known_stage = cast("StageName", stage) if stage in get_args(StageName) else None
    known_attempt = int(attempt) if attempt.isascii() and attempt.isdecimal() else None
    known_level = level if level in LEVELS and level != LEVELS[0] else None
    return LogFilter(stage=known_stage, attempt=known_attempt or None, level=known_level, text=q.strip())


@dataclass(frozen=True)
class LogOptions:
    """Display options of a log: the time of day, the time since the stage began or no time; wrapped or not."""

    times: Times = "clock"
    is_wrapped: bool = True

    @property
    def cookie(self) -> str:
        """Return the options as the browser keeps them."""
        return f"{self.times}.{'wrap' if self.is_wrapped else 'nowrap'}"


def log_options(
    times: Annotated[str, Query(max_length=10)] = "",
    wrap: Annotated[str, Query(max_length=10)] = "",
    log_view: Annotated[str, Cookie(max_length=20)] = "",
) -> LogOptions:
    """Return the options in the address, where a form without script puts them, else those of the cookie."""
    if not times:
        times, _, wrap = log_view.partition(".")
    if times not in get_args(Times):
        return LogOptions()
    return LogOptions(times=cast("Times", times), is_wrapped=wrap == "wrap")


@dataclass(frozen=True)
class ShownLine:
    """One line, ready to draw: `clock` is its time of day where the server is, `since` the time since its attempt began.

    `stage` is its title, `html` safe markup, `href` its own address.
    """

    seq: int
    at: str
    clock: str
    since: str
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
    """The log viewer. `after` is the seq from which live lines go on; `is_live`: they will be added below those shown.

    `n_before` and `n_after` lines lie above and below those shown; `before_at` and `after_at` lead there. `opens_at`:
    the line at which it opens, None for its end or its top. `first_error`: the address of the first error of the whole
    log, "" where there is none.
    """

    run_id: str
    filter: LogFilter
    options: LogOptions
    lines: tuple[ShownLine, ...]
    after: int
    n_lines: int
    n_shown: int
    n_warnings: int
    n_errors: int
    first_error: str
    opens_at: int | None
    n_before: int
    n_after: int
    before_at: int
    after_at: int
    is_live: bool
    stages: tuple[str, ...] = STAGES
    levels: tuple[str, ...] = LEVELS
    max_lines: int = MAX_PAGE_LINES


def prepare_lines(lines: list[LogLine], filter: LogFilter, starts: Starts) -> tuple[ShownLine, ...]:
    """Return lines ready for the template; in a filtered view a line's number leads to it among its neighbours."""
    return tuple(
        ShownLine(
            seq=line.seq,
            at=line.at,
            clock=f"{datetime.fromisoformat(line.at).astimezone():%H:%M:%S.%f}"[:-3],
            since=_since(line.at, starts.get((line.stage, line.attempt), line.at)),
            stage=STAGE_TITLES.get(line.stage, line.stage),
            level=line.level,
            html=ansi_to_html(line.text, filter.text),
            href=f"?at={line.seq}#L{line.seq}" if filter.query else f"#L{line.seq}",
        )
        for line in lines
    )


def build_viewer(
    store: LogStore,
    run_id: str,
    filter: LogFilter,
    options: LogOptions,
    *,
    is_live: bool,
    has_failed: bool,
    at: int | None = None,
    show_all: bool = False,
) -> LogView:
    """Return the viewer of a run's log: its last lines, those around line `at`, or as many as a page takes.

    A failed run opens at its first error.
    """
    counts = store.counts(run_id)  # lines that arrive after this are left to the live stream, or a reload
    n_lines, first_error = counts.n_lines, counts.first_error_seq
    opens_at = first_error if has_failed and at is None and not filter.query else None
    first, limit = _window(n_lines, at or opens_at)
    if filter.query or (show_all and n_lines <= MAX_PAGE_LINES):
        first, limit = 0, MAX_PAGE_LINES
    lines = [line for line in store.read(run_id, first, limit, filter) if line.seq <= n_lines]
    last = n_lines if filter.query and len(lines) < limit else lines[-1].seq if lines else n_lines
    return LogView(
        run_id=run_id,
        filter=filter,
        options=options,
        lines=prepare_lines(lines, filter, store.starts(run_id)),
        after=n_lines,
        n_lines=n_lines,
        n_shown=len(lines),
        n_warnings=counts.n_warnings,
        n_errors=counts.n_errors,
        first_error="" if first_error is None else _address(first_error, (first, last), filter),
        opens_at=opens_at,
        n_before=first,
        n_after=n_lines - last,
        is_live=is_live and last == n_lines,
        before_at=max(1, first - PAGE_LINES + 2 * LINES_BEFORE),
        after_at=last + 1,
    )


def _window(n_lines: int, at: int | None) -> tuple[int, int]:
    """Return the seq after which the page begins, and how many lines it shows."""
    tail = max(0, n_lines - PAGE_LINES)
    return (tail if at is None else min(tail, max(0, at - 1 - LINES_BEFORE))), PAGE_LINES


def _address(seq: int, window: tuple[int, int], filter: LogFilter) -> str:
    """Return the address of a line among its neighbours; `window` holds the first and last seq of this page."""
    return f"#L{seq}" if window[0] < seq <= window[1] and not filter.query else f"?at={seq}#L{seq}"


def _since(at: str, start: str) -> str:
    seconds = max(0.0, (datetime.fromisoformat(at) - datetime.fromisoformat(start)).total_seconds())
    minutes, seconds = divmod(seconds, 60)
    return f"+{int(minutes)}:{seconds:06.3f}"
