"""The page of models: versions, which one is live, promote, roll back, and the ledger of what was live when."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from fastapi import APIRouter, Form, Path, Request
from starlette.responses import RedirectResponse, Response

from app.panel.db.engine import MAX_INTEGER
from app.panel.pages.renderer import PageRenderer
from app.panel.registry.queries import DeploymentRow, ModelRow, ModelsView
from app.panel.registry.service import ModelService
from app.web.templating import View
from pipeline.core.metric_labels import metric_label

WHO: Final = "hand"
Number = Annotated[int | None, Form(ge=1, le=MAX_INTEGER)]


@dataclass(frozen=True)
class ModelsPage(View):
    """All versions. `metric_title` is what their score is called; `live_metrics` are titles and values of the live one."""

    TEMPLATE: ClassVar[str] = "panel/models.html"

    live: ModelRow | None
    previous: ModelRow | None
    rows: tuple[ModelRow, ...]
    deployments: tuple[DeploymentRow, ...]
    metric_title: str
    live_metrics: tuple[tuple[str, float], ...]
    has_promotable: bool


def router(renderer: PageRenderer, models: ModelService, view: Callable[[], ModelsView]) -> APIRouter:
    """The routes of models."""
    routes = APIRouter()

    @routes.get("/models")
    def show(request: Request) -> Response:
        shown = view()
        newest = shown.live or (shown.rows[0] if shown.rows else None)
        page = ModelsPage(
            live=shown.live,
            previous=shown.previous,
            rows=shown.rows,
            deployments=shown.deployments,
            metric_title=metric_label(newest.primary_metric) if newest else "Score",
            live_metrics=tuple((metric_label(name), value) for name, value in shown.live.metrics.items())
            if shown.live
            else (),
            has_promotable=any(row.can_promote and not row.is_live for row in shown.rows),
        )
        return renderer.render(request, page, section="models")

    @routes.post("/models/rollback")
    def rollback(to: Number = None, leaving: Number = None) -> Response:
        models.rollback(WHO, to, leaving)
        return RedirectResponse("/models", status_code=303)

    @routes.post("/models/{version}/promote")
    def promote(version: Annotated[int, Path(ge=1, le=MAX_INTEGER)]) -> Response:
        models.promote(version, WHO)
        return RedirectResponse("/models", status_code=303)

    return routes
