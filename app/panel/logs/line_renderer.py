"""Lines of a log as HTML; a live line looks the same to all who follow, and is drawn once for them."""

from functools import lru_cache
from typing import Final

import msgspec
from jinja2 import Environment

from app.panel.logs.line import LogLine
from app.panel.logs.store import LogStore
from app.panel.logs.views import LinesView, LogFilter, prepare_lines
from app.web.templating import render_template

KEPT_LINES: Final = 4096  # drawn lines kept for the next follower
EVERYTHING: Final = LogFilter()
_decode = msgspec.json.Decoder(LogLine).decode


class LineRenderer:
    """Draws lines with the templates of `env`. Thread-safe."""

    def __init__(self, env: Environment, logs: LogStore) -> None:
        self._env = env
        self._logs = logs
        self._render_stored = lru_cache(maxsize=KEPT_LINES)(self._render_one)

    def render(self, run_id: str, filter: LogFilter, lines: list[LogLine]) -> str:
        """Return the HTML of these lines, which have passed the filter."""
        view = LinesView(prepare_lines(lines, filter, self._logs.starts(run_id)))
        return render_template(self._env, LinesView.TEMPLATE, view)

    def render_live(self, run_id: str, filter: LogFilter, stored: list[bytes]) -> str:
        """Return the HTML of those stored lines that pass the filter."""
        if filter == EVERYTHING:
            return "".join([self._render_stored(run_id, line) for line in stored])
        passing = [line for line in map(_decode, stored) if filter.passes(line)]
        return self.render(run_id, filter, passing) if passing else ""

    def _render_one(self, run_id: str, stored: bytes) -> str:
        return self.render(run_id, EVERYTHING, [_decode(stored)])
