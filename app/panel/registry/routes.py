"""The Models page: versions, promotion, rollback and the history of deployments."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from fastapi import APIRouter, Form, Path, Request
from starlette.responses import RedirectResponse, Response

from app.panel.db.engine import MAX_INTEGER
from app.panel.pages.renderer import PageRenderer
from app.panel.registry.queries import ModelQueries
from app.panel.registry.service import ModelService
from app.panel.registry.views import DeploymentRow, ModelRow
from app.web.dependencies import provided
from app.web.templating import View
from pipeline.core.metric_labels import metric_label

router = APIRouter()
ACTOR: Final = "web"
OptionalVersion = Annotated[int | None, Form(ge=1, le=MAX_INTEGER)]
Models = Annotated[ModelService, provided(ModelService)]


@dataclass(frozen=True)
class ModelsPage(View):
    """All versions. `metric_title` is the name of their score; `live_metrics` are names and values of the live one; `targets`
    are the versions that a rollback may go back to, the previous one first."""

    TEMPLATE: ClassVar[str] = "panel/models.html"

    live: ModelRow | None
    targets: tuple[int, ...]
    rows: tuple[ModelRow, ...]
    deployments: tuple[DeploymentRow, ...]
    metric_title: str
    live_metrics: tuple[tuple[str, float], ...]
    has_promotable: bool


@router.get("/models")
def show_models(
    request: Request,
    renderer: Annotated[PageRenderer, provided(PageRenderer)],
    queries: Annotated[ModelQueries, provided(ModelQueries)],
) -> Response:
    """Show all versions and the history of deployments."""
    view = queries.view()
    newest = view.live or (view.rows[0] if view.rows else None)
    live_metrics = view.live.metrics.items() if view.live else ()
    page = ModelsPage(
        live=view.live,
        targets=view.targets,
        rows=view.rows,
        deployments=view.deployments,
        metric_title=metric_label(newest.primary_metric) if newest else "Score",
        live_metrics=tuple((metric_label(name), value) for name, value in live_metrics),
        has_promotable=any(row.can_promote for row in view.rows),
    )
    return renderer.render(request, page, section="models")


@router.post("/models/rollback")
def roll_back(models: Models, to: OptionalVersion = None, leaving: OptionalVersion = None) -> Response:
    """Roll back, and show the page again."""
    models.roll_back(ACTOR, to, leaving)
    return RedirectResponse("/models", status_code=303)


@router.post("/models/{version}/promote")
def promote(version: Annotated[int, Path(ge=1, le=MAX_INTEGER)], models: Models) -> Response:
    """Promote a version, and show the page again."""
    models.promote(version, ACTOR)
    return RedirectResponse("/models", status_code=303)
