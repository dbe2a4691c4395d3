"""The view of the home page."""

from dataclasses import dataclass
from typing import ClassVar

from app.panel.registry.views import ModelRow
from app.panel.runs.domain.queries import RunRow
from app.panel.runs.web.views import StageCell
from app.panel.schedule.service import ScheduleView
from app.panel.services.protocol import Check
from app.panel.services.views import ServiceRow
from app.web.charts import Trend
from app.web.templating import View


@dataclass(frozen=True)
class Links:
    """Links to the services, under another host name than the panel's (see `pages.service_links`); "" for none."""

    app: str
    api_docs: str
    mlflow: str


@dataclass(frozen=True)
class Interval:
    """The interval in the unit in which it is shown."""

    number: str
    unit: str


@dataclass(frozen=True)
class HomeView(View):
    """The home page. `run` is the active run or else the newest; `strip` its stages, or four waiting ones.

    `bad_checks` are the preflight checks that are not ok; `trend` is the live model's metric over the last runs.
    """

    TEMPLATE: ClassVar[str] = "panel/home.html"
    FRAGMENT: ClassVar[str | None] = "panel/_home.html"

    run: RunRow | None
    is_active: bool
    strip: tuple[StageCell, ...]
    typical_s: float | None
    schedule: ScheduleView
    interval: Interval
    live: ModelRow | None
    live_metric: str
    rows: tuple[RunRow, ...]
    trend: Trend | None
    services: tuple[ServiceRow, ...]
    checks: tuple[Check, ...]
    bad_checks: tuple[Check, ...]
    links: Links
    key: str
    poll_s: int


def as_interval(seconds: int) -> Interval:
    """Return the interval in the largest unit that gives a whole number."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds % size == 0:
            return Interval(str(seconds // size), unit)
    return Interval(str(seconds), "s")
