"""What the models page and the home page read: versions, the live one, the ledger. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, cast

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from app.panel.db.engine import Database
from app.panel.registry.tables import Deployment, ModelVersion
from app.panel.tracking.tables import TrackingRecord
from pipeline.core.bundle import Pointer, read_pointer
from pipeline.core.problems import BundleError

ModelState = Literal["live", "previous", "published", "kept", "failed", "pruned"]
PAGE: Final = 50

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


class ModelQueries:
    """Sync; each read is one short session. The pointer on disk, not the ledger, says what is live."""

    def __init__(self, db: Database, models_dir: Path) -> None:
        self._db = db
        self._models_dir = models_dir

    def view(self) -> ModelsView:
        """The models page: the newest 50 versions, and the live one however old it is."""
        live = self.pointer()
        with self._db.read() as session:
            query = select(ModelVersion).order_by(col(ModelVersion.version).desc()).limit(PAGE)
            versions = list(session.exec(query))
            if live is not None and all(row.version != live.version for row in versions):
                found = session.get(ModelVersion, live.version)
                versions += [found] if found is not None else []
            rows = self._rows(session, versions, live)
            deployments = tuple(deployment_row(row) for row in session.exec(_newest(PAGE)))
        return ModelsView(
            live=next((row for row in rows if row.is_live), None),
            previous=next((row for row in rows if row.state == "previous"), None),
            rows=rows,
            deployments=deployments,
        )

    def find(self, version: int) -> ModelRow | None:
        """One version, or None."""
        with self._db.read() as session:
            found = session.get(ModelVersion, version)
            return self._rows(session, [found], self.pointer())[0] if found is not None else None

    def live(self) -> ModelRow | None:
        """What is live, or None before the first model."""
        pointer = self.pointer()
        return self.find(pointer.version) if pointer is not None else None

    def deployments(self, before_id: int | None = None, limit: int = PAGE) -> list[DeploymentRow]:
        """Lines of the ledger, newest first; older than `before_id` where given."""
        with self._db.read() as session:
            query = _newest(limit)
            if before_id is not None:
                query = query.where(col(Deployment.id) < before_id)
            return [deployment_row(row) for row in session.exec(query)]

    def live_at(self, at: datetime) -> DeploymentRow | None:
        """The line of the ledger that put into service what was live at that moment, or None before the first."""
        with self._db.read() as session:
            query = _newest(1).where(_took_effect(), col(Deployment.finished_at) <= at)
            row = session.exec(query).first()
            return deployment_row(row) if row is not None else None

    def previous(self) -> ModelVersion | None:
        """What a rollback goes to: what was live before the live one was put into service, and can still be used."""
        live = self.pointer()
        with self._db.read() as session:
            return _previous(session, live.version) if live is not None else None

    def highest(self) -> int:
        """The highest version in the history; 0 before the first."""
        with self._db.read() as session:
            row = session.exec(select(ModelVersion).order_by(col(ModelVersion.version).desc()).limit(1)).first()
            return row.version if row is not None else 0

    def pointer(self) -> Pointer | None:
        """The pointer on disk; None where there is none or it cannot be read (the API then says so)."""
        try:
            return read_pointer(self._models_dir)
        except BundleError:
            return None

    def _rows(self, session: Session, versions: Sequence[ModelVersion], live: Pointer | None) -> tuple[ModelRow, ...]:
        numbers = [row.version for row in versions]
        previous = _previous(session, live.version) if live is not None else None
        lines: dict[int, Deployment] = {}
        for line in session.exec(
            select(Deployment).where(col(Deployment.to_version).in_(numbers)).order_by(col(Deployment.id))
        ):
            lines[line.to_version or 0] = line
        tracked = {
            record.run_id: record
            for record in session.exec(
                select(TrackingRecord).where(col(TrackingRecord.run_id).in_([row.run_id for row in versions]))
            )
        }
        return tuple(_model(row, live, previous, lines.get(row.version), tracked.get(row.run_id)) for row in versions)


def _newest(limit: int) -> SelectOfScalar[Deployment]:
    return select(Deployment).order_by(col(Deployment.id).desc()).limit(limit)


def _took_effect() -> ColumnElement[bool]:
    return or_(Deployment.outcome == "done", Deployment.outcome == "undone")


def _previous(session: Session, version: int) -> ModelVersion | None:
    seen: set[int] = set()
    at: int | None = version
    while at is not None and at not in seen:
        seen.add(at)
        query = _newest(1).where(
            Deployment.to_version == at, col(Deployment.kind).in_(("deploy", "promote")), _took_effect()
        )
        line = session.exec(query).first()
        at = line.from_version if line is not None else None
        row = session.get(ModelVersion, at) if at is not None else None
        if row is not None and row.version != version and row.pruned_at is None and not row.is_held:
            return row
    return None


def _model(
    row: ModelVersion,
    live: Pointer | None,
    previous: ModelVersion | None,
    line: Deployment | None,
    tracked: TrackingRecord | None,
) -> ModelRow:
    is_live = live is not None and live.version == row.version
    return ModelRow(
        version=row.version,
        run_id=row.run_id,
        state=_state(
            row, is_live=is_live, is_previous=previous is not None and previous.version == row.version, line=line
        ),
        task=row.task,
        estimator=row.estimator,
        target=row.target,
        primary_metric=row.primary_metric,
        score=row.metrics.get(row.primary_metric),
        metrics=row.metrics,
        reason=row.reason,
        digest=row.digest,
        bundle=row.bundle,
        model_bytes=row.model_bytes,
        created_at=row.created_at,
        live_since=line.finished_at if is_live and line is not None else None,
        is_live=is_live,
        is_held=row.is_held,
        can_promote=not is_live and row.pruned_at is None,
        mlflow_run_id=tracked.mlflow_run_id if tracked else None,
        mlflow_version=tracked.mlflow_version if tracked else None,
    )


def _state(row: ModelVersion, *, is_live: bool, is_previous: bool, line: Deployment | None) -> ModelState:
    if is_live:
        return "live"
    if row.pruned_at is not None:
        return "pruned"
    if is_previous:
        return "previous"
    if line is not None and line.outcome in {"failed", "undone"}:
        return "failed"
    return "kept" if row.decision == "keep" and line is None else "published"


def deployment_row(row: Deployment) -> DeploymentRow:
    """A line of the ledger as it is shown."""
    assert row.id is not None
    return DeploymentRow(
        id=row.id,
        kind=cast("DeploymentKind", row.kind),
        from_version=row.from_version,
        to_version=row.to_version,
        who=row.who,
        why=row.why,
        run_id=row.run_id,
        at=row.at,
        outcome=cast("Outcome", row.outcome),
        detail=row.detail,
        duration_s=row.duration_s,
    )
