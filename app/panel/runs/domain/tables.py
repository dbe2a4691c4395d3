"""Tables of runs. Written by `store.py` alone; times are aware UTC, durations come from the monotonic clock."""

from datetime import datetime
from typing import Any

from sqlmodel import JSON, Column, Field, Index, SQLModel, text

from app.panel.runs.domain.state import ACTIVE, AttemptState, RunState, Trigger

_ACTIVE_SQL = ", ".join(f"'{state}'" for state in sorted(ACTIVE))


class Run(SQLModel, table=True):
    """One pass through the stages.

    `id` is unique for all time (bundles outlive the database), `number` counts from 1 and is what people read.
    `error`, `verdict`, `metrics` are None until known. `retry_at` is set while `retrying`.
    """

    __table_args__ = (
        Index("ux_run_active", text("(1)"), unique=True, sqlite_where=text(f"state IN ({_ACTIVE_SQL})")),
        Index("ix_run_state", "state", "number"),
        Index("ix_run_trigger", "trigger", "number"),
        Index("ix_run_state_trigger", "state", "trigger", "number"),
        Index("ix_run_model_version", "model_version"),
    )

    id: str = Field(primary_key=True)
    number: int = Field(unique=True)
    state: str = Field(default=RunState.QUEUED, sa_column_kwargs={"info": {"values": RunState}})
    trigger: str = Field(default=Trigger.MANUAL, sa_column_kwargs={"info": {"values": Trigger}})
    from_stage: str
    params: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    force: bool = False
    parent_id: str | None = Field(default=None, index=True)
    idempotency_key: str | None = Field(default=None, unique=True)
    requested_by: str
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    duration_s: float | None = None
    stage: str | None = None
    n_failures: int = 0  # failed attempts of the current stage
    retry_at: datetime | None = None
    reason: str = ""
    error: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    verdict: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    metrics: dict[str, float] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    model_version: int | None = None
    deployed: bool = False
    data_digest: str | None = None
    params_digest: str | None = None
    code_digest: str | None = None
    mlflow_run_id: str | None = None
    n_warnings: int = 0
    n_errors: int = 0


class StageAttempt(SQLModel, table=True):
    """One try of one stage."""

    __tablename__ = "stage_attempt"

    run_id: str = Field(primary_key=True, foreign_key="run.id")
    stage: str = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    state: str = Field(default=AttemptState.RUNNING, sa_column_kwargs={"info": {"values": AttemptState}})
    started_at: datetime
    finished_at: datetime | None = None
    duration_s: float | None = None
    compute_s: float | None = None
    error: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))


class RunEvent(SQLModel, table=True):
    """One move of a run; the fold of a run's events is its state."""

    __tablename__ = "run_event"

    id: int | None = Field(default=None, primary_key=True)
    run_id: str = Field(foreign_key="run.id", index=True)
    at: datetime
    old: str | None = None
    new: str
    reason: str = ""
