"""The only writer of model versions and deployments."""

from datetime import datetime
from typing import Literal

from sqlalchemy import func, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from app.panel.audit.record import record
from app.panel.clock import Clock
from app.panel.db.engine import Database
from app.panel.registry.ledger import Ledger, deployment_line, version_line
from app.panel.registry.problems import DeploymentConflictError
from app.panel.registry.tables import Deployment, ModelVersion
from app.panel.registry.views import DeploymentKind
from pipeline.core.manifest import Manifest
from pipeline.core.pointer import Pointer
from pipeline.core.stage import GateVerdict


class DeploymentStore:
    """Sync and thread-safe; each verb is one transaction, after which the ledger says the same."""

    def __init__(self, db: Database, clock: Clock, ledger: Ledger) -> None:
        self._db = db
        self._clock = clock
        self._ledger = ledger

    def record_version(self, manifest: Manifest, bundle: str, verdict: GateVerdict) -> None:
        """Record a published bundle; recording it again changes only the verdict."""
        with self._db.write() as session:
            row = session.get(ModelVersion, manifest.version)
            if row is None:
                row = version_row(manifest, bundle)
            row.decision = verdict.decision
            row.reason = verdict.reason
            session.add(row)
        self._ledger.append([version_line(row)])

    def begin(
        self,
        kind: DeploymentKind,
        before: Pointer | None,
        after: Pointer | None,
        *,
        actor: str,
        reason: str,
        run_id: str | None = None,
        attempt: int = 0,
        verdict: GateVerdict | None = None,
    ) -> Deployment:
        """Return a new pending deployment.

        Raises DEPLOY-06 if another one is pending or a later attempt of the run has already deployed.
        """
        row = Deployment(
            kind=kind,
            from_version=before.version if before else None,
            from_bundle=before.bundle if before else None,
            to_version=after.version if after else None,
            to_bundle=after.bundle if after else None,
            actor=actor,
            reason=reason,
            run_id=run_id,
            attempt=attempt,
            at=self._clock.now(),
            verdict=verdict.model_dump(mode="json") if verdict else None,
        )
        try:
            with self._db.write() as session:
                newest = session.exec(select(func.max(Deployment.attempt)).where(Deployment.run_id == run_id)).one()
                if run_id is not None and newest is not None and newest > attempt:
                    raise DeploymentConflictError(
                        f"Attempt {newest} of the same run already has a deployment; this is attempt {attempt}."
                    )
                session.add(row)
        except IntegrityError as error:
            raise DeploymentConflictError("It is still in progress.") from error
        return row

    def finish(self, id: int, outcome: Literal["done", "failed"], detail: str, duration_s: float | None) -> Deployment:
        """Close a pending deployment, once, and return it.

        The consequences of one that took effect are written in the same transaction, so that no kill comes in between:
        a digest that was rolled back is blocked for runs, one that a person put into service is unblocked, and a
        deployment that was rolled back automatically is `undone`.
        """
        undone: Deployment | None = None
        with self._db.write() as session:
            row = session.get_one(Deployment, id)
            if row.outcome == "pending":
                row.outcome = outcome
                row.detail = detail
                row.duration_s = duration_s
                row.finished_at = now = self._clock.now()
                session.add(row)
                if outcome == "done":
                    undone = _apply_consequences(session, row)
                if row.kind in {"promote", "rollback"}:
                    record(
                        session,
                        now,
                        f"model.{row.kind}",
                        f"version {row.to_version}",
                        before={"live": row.from_version},
                        after={"live": row.to_version if outcome == "done" else row.from_version},
                        outcome="ok" if outcome == "done" else "failed",
                        detail=detail,
                    )
        self._ledger.append(deployment_line(each) for each in (undone, row) if each is not None)
        return row

    def pending(self) -> list[Deployment]:
        """Return the deployments that are in progress, or were when a panel was killed."""
        with self._db.read() as session:
            return list(session.exec(select(Deployment).where(Deployment.outcome == "pending")))

    def latest(self) -> Deployment | None:
        """Return the deployment that put the live version into service, or None before the first."""
        with self._db.read() as session:
            done = select(Deployment).where(Deployment.outcome == "done")
            return session.exec(done.order_by(col(Deployment.id).desc()).limit(1)).first()

    def mark_pruned(self, version: int) -> None:
        """Record that the files of a version are deleted."""
        with self._db.write() as session:
            row = session.get_one(ModelVersion, version)
            row.pruned_at = self._clock.now()
            session.add(row)


def version_row(manifest: Manifest, bundle: str, decision: str = "", reason: str = "") -> ModelVersion:
    """Return the row of a version that is not stored yet."""
    return ModelVersion(
        version=manifest.version,
        run_id=manifest.run_id,
        bundle=bundle,
        digest=manifest.digest,
        created_at=datetime.fromisoformat(manifest.created_at),
        task=manifest.task,
        target=manifest.target,
        estimator=manifest.estimator,
        primary_metric=manifest.primary_metric,
        metrics=manifest.metrics,
        model_bytes=manifest.model_bytes,
        decision=decision,
        reason=reason,
    )


def _apply_consequences(session: Session, row: Deployment) -> Deployment | None:
    """Write what follows from a deployment that took effect, and return the one that it undid."""
    apply_blocks(session, row)
    if row.kind != "auto_rollback":
        return None
    query = select(Deployment).where(Deployment.to_version == row.from_version, Deployment.outcome == "done")
    rolled_back = session.exec(query.order_by(col(Deployment.id).desc()).limit(1)).first()
    if rolled_back is not None:
        rolled_back.outcome, rolled_back.detail = "undone", row.reason
        session.add(rolled_back)
    return rolled_back


def apply_blocks(session: Session, row: Deployment) -> None:
    """Block the digest that a deployment left by a rollback, and unblock the one that a person put into service."""
    if row.kind in {"rollback", "auto_rollback"}:
        _block(session, row.from_version, is_blocked=True)
    if row.kind in {"promote", "rollback"}:
        _block(session, row.to_version, is_blocked=False)


def _block(session: Session, version: int | None, *, is_blocked: bool) -> None:
    """Block or unblock the digest of a version: no run deploys a blocked digest."""
    row = session.get(ModelVersion, version) if version is not None else None
    if row is not None:
        same_digest = col(ModelVersion.digest) == row.digest
        session.exec(update(ModelVersion).where(same_digest).values(is_blocked=is_blocked))
