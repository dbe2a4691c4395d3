"""The Live data page: the rows that the API receives, compared with the training rows."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.panel.drift.report import DriftReport, FeatureDrift
from app.panel.drift.service import DriftService
from app.panel.pages.renderer import PageRenderer
from app.web.charts import Bar, layout_bars
from app.web.dependencies import provided
from app.web.templating import View

router = APIRouter()
POLL_INTERVAL_S: Final = 5
WIDTH, HEIGHT = 160.0, 32.0


@dataclass(frozen=True)
class DriftRow:
    """One feature with its two small histograms, each scaled to its own highest bar."""

    drift: FeatureDrift
    training: tuple[Bar, ...]
    live: tuple[Bar, ...]


@dataclass(frozen=True)
class DriftView(View):
    """The page. `report` is None while there is nothing to compare; `api_url` is where people find the API;
    `starts_run` and `needs_key` as in DriftService."""

    TEMPLATE: ClassVar[str] = "panel/drift.html"
    FRAGMENT: ClassVar[str | None] = "panel/_drift.html"

    report: DriftReport | None
    rows: tuple[DriftRow, ...]
    starts_run: bool
    needs_key: bool
    api_url: str
    poll_s: int


@router.get("/drift")
def show_drift(
    request: Request,
    renderer: Annotated[PageRenderer, provided(PageRenderer)],
    drift: Annotated[DriftService, provided(DriftService)],
) -> Response:
    """Show the live rows beside the training rows, feature by feature."""
    report = drift.report()
    compared = (report.score, *report.features) if report is not None else ()
    view = DriftView(
        report=report,
        rows=tuple(
            DriftRow(each, layout_bars(each.training, WIDTH, HEIGHT), layout_bars(each.live, WIDTH, HEIGHT))
            for each in compared
        ),
        starts_run=drift.starts_run,
        needs_key=drift.needs_key,
        api_url=renderer.service_url(request, "api", "/docs"),
        poll_s=POLL_INTERVAL_S,
    )
    return renderer.render(request, view, section="drift")
