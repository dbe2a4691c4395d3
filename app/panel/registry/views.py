"""Rows of versions and deployments, as pages and API show them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

ModelState = Literal["live", "previous", "published", "kept", "failed", "damaged", "pruned"]

Outcome = Literal["pending", "done", "failed", "undone"]
DeploymentKind = Literal["deploy", "promote", "rollback", "auto_rollback", "fallback"]


@dataclass(frozen=True)
class ModelRow:
    """One model version.

    `state`: live; previous (live before, kept warm); published (can be promoted); kept (lost at the gate, can be
    promoted manually); failed (its deployment was undone); damaged (its files are not what was published); pruned (its
    files were deleted by retention). `is_damaged` is also true of a live version with such files.
    `score` is `metrics[primary_metric]` on the test rows. `is_blocked`: it was rolled back, and no run puts that
    digest into service again. `reason` is the gate's sentence.
    """

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
    is_blocked: bool
    is_damaged: bool
    can_promote: bool
    mlflow_run_id: str | None
    mlflow_version: str | None


@dataclass(frozen=True)
class DeploymentRow:
    """One deployment: the pointer moved from `from_version` to `to_version`, or should have.

    `kind`: a `fallback` took the place of a version whose files were damaged.
    `outcome`: pending (in progress), done, failed (never took effect), undone (took effect, then rolled back
    automatically). `duration_s` is None while pending; `run_id` is None unless a run deployed. `actor`: see the table.
    """

    id: int
    kind: DeploymentKind
    from_version: int | None
    to_version: int | None
    actor: str
    reason: str
    run_id: str | None
    at: datetime
    outcome: Outcome
    detail: str
    duration_s: float | None


@dataclass(frozen=True)
class ModelsView:
    """The Models page: newest version first; the newest 50 deployments, newest first.

    `targets` are the versions that a rollback may go back to, `previous` is the first of them.
    """

    live: ModelRow | None
    previous: ModelRow | None
    targets: tuple[int, ...]
    rows: tuple[ModelRow, ...]
    deployments: tuple[DeploymentRow, ...]
