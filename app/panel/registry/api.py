"""Models and deployments as JSON."""

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from app.panel.db.engine import MAX_INTEGER
from app.panel.registry.queries import ModelQueries
from app.panel.registry.service import ModelService
from app.panel.registry.views import DeploymentKind, ModelState, Outcome
from app.web.dependencies import ISO_8601, provided

router = APIRouter(prefix="/api/v1", tags=["models"])
ACTOR: Final = "api"


class RollbackRequest(BaseModel):
    """The version to go back to, by default the previous one. `leaving` refuses if another version is live."""

    model_config = ConfigDict(extra="forbid", strict=True)

    to: int | None = Field(None, ge=1, le=MAX_INTEGER)
    leaving: int | None = Field(None, ge=1, le=MAX_INTEGER)


class ModelResponse(BaseModel):
    """One model version; see `ModelRow`."""

    model_config = ConfigDict(from_attributes=True)

    version: int
    run_id: str
    state: ModelState
    task: str
    estimator: str
    target: str
    primary_metric: str
    score: float | None
    metrics: dict[str, float]
    reason: str
    digest: str
    bundle: str
    model_bytes: int
    created_at: datetime
    live_since: datetime | None
    is_live: bool
    is_damaged: bool
    is_held: bool = Field(validation_alias="is_blocked")
    can_promote: bool
    mlflow_run_id: str | None
    mlflow_version: str | None


class ModelsResponse(BaseModel):
    """Numbers of the live and the previous version, or null, and the newest versions first.

    `rollback_targets` are the versions that a rollback may go back to; the first of them is the previous one.
    """

    live: int | None
    previous: int | None
    rollback_targets: list[int]
    models: list[ModelResponse]


class DeploymentResponse(BaseModel):
    """One deployment; see `DeploymentRow`."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    kind: DeploymentKind
    from_version: int | None
    to_version: int | None
    who: str = Field(validation_alias="actor")
    why: str = Field(validation_alias="reason")
    run_id: str | None
    at: datetime
    outcome: Outcome
    detail: str
    duration_s: float | None


class DeploymentsResponse(BaseModel):
    """Deployments, newest first."""

    deployments: list[DeploymentResponse]


def _to_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is outside of the calendar") from error


Version = Annotated[int, Path(ge=1, le=MAX_INTEGER)]
Moment = Annotated[AwareDatetime, AfterValidator(_to_utc), ISO_8601]
Models = Annotated[ModelService, provided(ModelService)]
Queries = Annotated[ModelQueries, provided(ModelQueries)]


@router.get("/models")
def list_models(queries: Queries) -> ModelsResponse:
    """Return the newest 50 versions, newest first, and which of them is live."""
    view = queries.view()
    return ModelsResponse(
        live=view.live.version if view.live else None,
        previous=view.previous.version if view.previous else None,
        rollback_targets=list(view.targets),
        models=[ModelResponse.model_validate(row) for row in view.rows],
    )


@router.post("/models/rollback")
def roll_back(models: Models, body: RollbackRequest | None = None) -> DeploymentResponse:
    """Go back to the previous version, or to `to`; answers when the prediction API serves it."""
    body = body or RollbackRequest()
    return DeploymentResponse.model_validate(models.roll_back(ACTOR, body.to, body.leaving))


@router.post("/models/{version}/promote")
def promote(version: Version, models: Models) -> DeploymentResponse:
    """Put a version into service; answers when the prediction API serves it."""
    return DeploymentResponse.model_validate(models.promote(version, ACTOR))


@router.get("/deployments")
def list_deployments(
    queries: Queries,
    before_id: Annotated[int | None, Query(ge=1, le=MAX_INTEGER)] = None,
    live_at: Moment | None = None,
) -> DeploymentsResponse:
    """Return 50 deployments, newest first; with `live_at` only the one that put into service what was live then."""
    if live_at is not None:
        row = queries.live_at(live_at)
        rows = [row] if row is not None else []
    else:
        rows = queries.deployments(before_id)
    return DeploymentsResponse(deployments=[DeploymentResponse.model_validate(row) for row in rows])
