"""Tables of the registry: every model version, and the history of deployments. Written by `store.py` alone."""

from datetime import datetime
from typing import Any, get_args

from sqlmodel import JSON, Column, Field, SQLModel

from app.panel.registry.views import DeploymentKind, Outcome


class ModelVersion(SQLModel, table=True):
    """One model version. Its files lie in `models/versions/<bundle>` unless `pruned_at` is set.

    `decision` and `reason` are the gate's. `is_blocked`: it was rolled back, and no run deploys that digest again until
    a person promotes it.
    """

    __tablename__ = "model_version"

    version: int = Field(primary_key=True)
    run_id: str = Field(index=True)
    bundle: str
    digest: str = Field(index=True)
    created_at: datetime
    task: str
    target: str
    estimator: str
    primary_metric: str
    metrics: dict[str, float] = Field(sa_column=Column(JSON, nullable=False))
    model_bytes: int
    decision: str
    reason: str
    is_blocked: bool = Field(default=False, sa_column_kwargs={"name": "is_held"})
    pruned_at: datetime | None = None


class Deployment(SQLModel, table=True):
    """One deployment. A `pending` one is in progress, or was when the panel was killed.

    `from_bundle` and `to_bundle` are what the pointer named before and should name afterwards; `verdict` is the gate's
    if a run deployed. `actor`: `run`, `web`, `api`, `monitor` or `panel`; in older rows also `hand` (web) and `watch` (monitor).
    """

    id: int | None = Field(default=None, primary_key=True)
    kind: str = Field(sa_column_kwargs={"info": {"values": get_args(DeploymentKind)}})
    from_version: int | None = None
    from_bundle: str | None = None
    to_version: int | None = None
    to_bundle: str | None = None
    actor: str = Field(sa_column_kwargs={"name": "who"})
    reason: str = Field(sa_column_kwargs={"name": "why"})
    run_id: str | None = Field(default=None, index=True)
    attempt: int = 0
    at: datetime
    finished_at: datetime | None = None
    duration_s: float | None = None
    outcome: str = Field(default="pending", index=True, sa_column_kwargs={"info": {"values": get_args(Outcome)}})
    detail: str = ""
    verdict: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
