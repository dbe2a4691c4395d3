"""What the models page and the home page read: versions, the live one, the ledger. Reads only."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

ModelState = Literal["live", "previous", "published", "kept", "failed", "pruned"]
Outcome = Literal["pending", "done", "failed", "undone"]
DeploymentKind = Literal["deploy", "promote", "rollback", "auto_rollback"]


@dataclass(frozen=True)
class ModelRow:
    """One model version.

    `state`: live; previous (live before, kept warm); published (can be promoted); kept (lost at the gate, can be
    promoted by hand); failed (its deployment went back); pruned (its files were deleted by retention).
    `score` is `metrics[primary_metric]` on the test rows. `is_held`: rolled back by hand, so that no scheduled run
    puts that digest into service again. `reason` is the gate's sentence.
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
    is_held: bool
    can_promote: bool
    mlflow_run_id: str | None
    mlflow_version: str | None


@dataclass(frozen=True)
class DeploymentRow:
    """One line of the ledger: the pointer moved from `from_version` to `to_version`, or was meant to.

    `outcome`: pending (under way), done, failed (never took effect), undone (took effect, then went back).
    `duration_s` is None while pending. `who`: `run 12`, `watch`, or the person. `run_id` None unless a run did it.
    """

    id: int
    kind: DeploymentKind
    from_version: int | None
    to_version: int | None
    who: str
    why: str
    run_id: str | None
    at: datetime
    outcome: Outcome
    detail: str
    duration_s: float | None


@dataclass(frozen=True)
class ModelsView:
    """The models page: newest version first; the newest 50 lines of the ledger, newest first."""

    live: ModelRow | None
    previous: ModelRow | None
    rows: tuple[ModelRow, ...]
    deployments: tuple[DeploymentRow, ...]
