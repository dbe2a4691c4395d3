"""Reads of the registry for pages and API: versions, the live one, the history of deployments."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, cast

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from app.panel.db.engine import Database
from app.panel.registry.bundle_checks import BundleChecks
from app.panel.registry.tables import Deployment, ModelVersion
from app.panel.registry.views import DeploymentKind, DeploymentRow, ModelRow, ModelState, ModelsView, Outcome
from app.panel.tracking.tables import TrackingRecord
from pipeline.core.pointer import Pointer, find_pointer

PAGE_ROWS: Final = 50


class ModelQueries:
    """Sync; each read is one short session. The pointer on disk, not the history, says what is live."""

    def __init__(self, db: Database, models_dir: Path) -> None:
        self._db = db
        self._models_dir = models_dir
        self.checks = BundleChecks(models_dir)

    def view(self) -> ModelsView:
        """Return the Models page: the newest 50 versions, and the live one however old it is."""
        live = self.pointer()
        with self._db.read() as session:
            query = select(ModelVersion).order_by(col(ModelVersion.version).desc()).limit(PAGE_ROWS)
            versions = list(session.exec(query))
            if live is not None and all(row.version != live.version for row in versions):
                live_row = session.get(ModelVersion, live.version)
                versions += [live_row] if live_row is not None else []
            rows = self._rows(session, versions, live)
            deployments = tuple(deployment_row(row) for row in session.exec(_newest(PAGE_ROWS)))
            targets = [row.version for row in self._targets(session, live)]
        return ModelsView(
            live=next((row for row in rows if row.is_live), None),
            previous=next((row for row in rows if row.state == "previous"), None),
            targets=tuple(targets),
            rows=rows,
            deployments=deployments,
        )

    def find(self, version: int) -> ModelRow | None:
        """Return one version, or None."""
        with self._db.read() as session:
            row = session.get(ModelVersion, version)
            return self._rows(session, [row], self.pointer())[0] if row is not None else None

    def live(self) -> ModelRow | None:
        """Return the live version, or None before the first model."""
        pointer = self.pointer()
        return self.find(pointer.version) if pointer is not None else None

    def deployments(self, before_id: int | None = None, limit: int = PAGE_ROWS) -> list[DeploymentRow]:
        """Return deployments, newest first; only those before `before_id` if given."""
        with self._db.read() as session:
            query = _newest(limit)
            if before_id is not None:
                query = query.where(col(Deployment.id) < before_id)
            return [deployment_row(row) for row in session.exec(query)]

    def live_at(self, at: datetime) -> DeploymentRow | None:
        """Return the deployment that put into service what was live at that moment, or None before the first."""
        with self._db.read() as session:
            query = _newest(1).where(_took_effect(), col(Deployment.finished_at) <= at)
            row = session.exec(query).first()
            return deployment_row(row) if row is not None else None

    def targets(self) -> list[ModelVersion]:
        """Return the versions that a rollback may go back to, first the one that it goes to unless another is named.

        They were live before, and are neither blocked nor deleted nor known to be damaged.
        """
        with self._db.read() as session:
            return self._targets(session, self.pointer())

    def earlier(self, version: int) -> list[ModelVersion]:
        """Return the versions that were live beside `version`, damaged or not: first the one before it, the one before that."""
        with self._db.read() as session:
            return _earlier(session, version)

    def highest_version(self) -> int:
        """Return the highest version in the history; 0 before the first."""
        with self._db.read() as session:
            row = session.exec(select(ModelVersion).order_by(col(ModelVersion.version).desc()).limit(1)).first()
            return row.version if row is not None else 0

    def pointer(self) -> Pointer | None:
        """Return the pointer on disk; None if there is none or it cannot be read (the API then reports it)."""
        return find_pointer(self._models_dir)

    def _targets(self, session: Session, live: Pointer | None) -> list[ModelVersion]:
        earlier = _earlier(session, live.version) if live is not None else []
        return [row for row in earlier if not self.checks.is_damaged(row.bundle)]

    def _rows(self, session: Session, versions: Sequence[ModelVersion], live: Pointer | None) -> tuple[ModelRow, ...]:
        numbers = [row.version for row in versions]
        previous = next(iter(self._targets(session, live)), None)
        deployed = session.exec(
            select(Deployment).where(col(Deployment.to_version).in_(numbers)).order_by(col(Deployment.id))
        )
        newest = {deployment.to_version: deployment for deployment in deployed}
        tracked = {
            record.run_id: record
            for record in session.exec(
                select(TrackingRecord).where(col(TrackingRecord.run_id).in_([row.run_id for row in versions]))
            )
        }
        return tuple(
            _model_row(
                row,
                live,
                previous,
                newest.get(row.version),
                tracked.get(row.run_id),
                is_damaged=self.checks.is_damaged(row.bundle),
            )
            for row in versions
        )


def _newest(limit: int) -> SelectOfScalar[Deployment]:
    return select(Deployment).order_by(col(Deployment.id).desc()).limit(limit)


def _took_effect() -> ColumnElement[bool]:
    return or_(Deployment.outcome == "done", Deployment.outcome == "undone")


def _earlier(session: Session, version: int) -> list[ModelVersion]:
    """Return the way back from `version`, then all others that were live, the one that was live last first."""
    way: dict[int, None] = {version: None}
    at: int | None = version
    while at is not None:
        query = _newest(1).where(
            Deployment.to_version == at, col(Deployment.kind).in_(("deploy", "promote")), _took_effect()
        )
        deployment = session.exec(query).first()
        at = deployment.from_version if deployment is not None and deployment.from_version not in way else None
        if at is not None:
            way[at] = None
    newest_first = select(Deployment.to_version).where(_took_effect()).order_by(col(Deployment.id).desc())
    way |= dict.fromkeys(number for number in session.exec(newest_first) if number is not None)
    usable = select(ModelVersion).where(col(ModelVersion.pruned_at).is_(None), ~col(ModelVersion.is_blocked))
    rows = {row.version: row for row in session.exec(usable)}
    return [rows[number] for number in way if number in rows and number != version]


def _model_row(
    row: ModelVersion,
    live: Pointer | None,
    previous: ModelVersion | None,
    deployment: Deployment | None,
    tracked: TrackingRecord | None,
    *,
    is_damaged: bool,
) -> ModelRow:
    is_live = live is not None and live.version == row.version
    return ModelRow(
        version=row.version,
        run_id=row.run_id,
        state=_state(
            row,
            is_live=is_live,
            is_previous=previous is not None and previous.version == row.version,
            is_damaged=is_damaged,
            deployment=deployment,
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
        live_since=deployment.finished_at if is_live and deployment is not None else None,
        is_live=is_live,
        is_blocked=row.is_blocked,
        is_damaged=is_damaged and row.pruned_at is None,
        can_promote=not is_live and row.pruned_at is None and not is_damaged,
        mlflow_run_id=tracked.mlflow_run_id if tracked else None,
        mlflow_version=tracked.mlflow_version if tracked else None,
    )


def _state(
    row: ModelVersion, *, is_live: bool, is_previous: bool, is_damaged: bool, deployment: Deployment | None
) -> ModelState:
    if is_live:
        return "live"
    if row.pruned_at is not None:
        return "pruned"
    if is_damaged:
        return "damaged"
    if is_previous:
        return "previous"
    if deployment is not None and deployment.outcome in {"failed", "undone"}:
        return "failed"
    return "kept" if row.decision == "keep" and deployment is None else "published"


def deployment_row(row: Deployment) -> DeploymentRow:
    """Return a row of the table as it is shown."""
    assert row.id is not None
    return DeploymentRow(
        id=row.id,
        kind=cast("DeploymentKind", row.kind),
        from_version=row.from_version,
        to_version=row.to_version,
        actor=row.actor,
        reason=row.reason,
        run_id=row.run_id,
        at=row.at,
        outcome=cast("Outcome", row.outcome),
        detail=row.detail,
        duration_s=row.duration_s,
    )
