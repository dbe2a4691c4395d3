"""Models and deployments as JSON."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from app.panel.db.engine import MAX_INTEGER
from app.panel.registry.queries import DeploymentRow, ModelQueries
from app.panel.registry.service import ModelService

router = APIRouter(prefix="/api/v1", tags=["models"])
WHO: Final = "api"


Version = Annotated[int, Path(ge=1, le=MAX_INTEGER)]


class RollbackRequest(BaseModel):
    """Where to go back to; left out: the version that was live before. `leaving` refuses if another one is live."""

    model_config = ConfigDict(extra="forbid", strict=True)

    to: int | None = Field(None, ge=1, le=MAX_INTEGER)
    leaving: int | None = Field(None, ge=1, le=MAX_INTEGER)


def _models(request: Request) -> ModelService:
    models: ModelService = request.app.state.panel.models
    return models


def _queries(request: Request) -> ModelQueries:
    queries: ModelQueries = request.app.state.panel.model_queries
    return queries


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("lies outside of the calendar") from error


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Models = Annotated[ModelService, Depends(_models)]
Queries = Annotated[ModelQueries, Depends(_queries)]


@router.get("/models")
def list_models(queries: Queries) -> dict[str, object]:
    """`{"live", "previous", "models"}`: version numbers or null, and the newest versions first."""
    view = queries.view()
    return {
        "live": view.live.version if view.live else None,
        "previous": view.previous.version if view.previous else None,
        "models": [asdict(row) for row in view.rows],
    }


@router.post("/models/rollback")
def roll_back(models: Models, body: RollbackRequest | None = None) -> DeploymentRow:
    """Go back to the version that was live before, or to `to`; answers when the prediction API serves it."""
    body = body or RollbackRequest()
    return models.rollback(WHO, body.to, body.leaving)


@router.post("/models/{version}/promote")
def promote(version: Version, models: Models) -> DeploymentRow:
    """Put a version into service; answers when the prediction API serves it."""
    return models.promote(version, WHO)


@router.get("/deployments")
def list_deployments(
    queries: Queries,
    before_id: Annotated[int | None, Query(ge=1, le=MAX_INTEGER)] = None,
    live_at: Moment | None = None,
) -> dict[str, list[DeploymentRow]]:
    """The ledger, newest first, 50 lines; with `live_at` only the line that put into service what was live then."""
    if live_at is not None:
        row = queries.live_at(live_at)
        return {"deployments": [row] if row else []}
    return {"deployments": queries.deployments(before_id)}
