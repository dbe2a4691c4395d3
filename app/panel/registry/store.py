"""The only writer of model versions and of the ledger of deployments."""

from datetime import datetime
from typing import Literal

from sqlalchemy import func, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from app.panel.clock import Clock
from app.panel.db.engine import Database
from app.panel.registry.queries import DeploymentKind
from app.panel.registry.tables import Deployment, ModelVersion
from pipeline.core.bundle import Manifest, Pointer
from pipeline.core.problems import ProblemError
from pipeline.core.stage import GateVerdict


class Ledger:
    """Sync and thread-safe; each verb is one transaction."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def record_version(self, manifest: Manifest, bundle: str, verdict: GateVerdict) -> None:
        """Note a published bundle; noting it again changes the verdict only."""
        with self._db.write() as session:
            row = session.get(ModelVersion, manifest.version)
            if row is None:
                row = ModelVersion(
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
                    decision="",
                    reason="",
                )
            row.decision = verdict.decision
            row.reason = verdict.reason
            session.add(row)

    def begin(
        self,
        kind: DeploymentKind,
        before: Pointer | None,
        after: Pointer | None,
        *,
        who: str,
        why: str,
        run_id: str | None = None,
        attempt: int = 0,
        verdict: GateVerdict | None = None,
    ) -> Deployment:
        """A pending line. Raises DEPLOY-06 if another one is under way or a later attempt of the run came before."""
        row = Deployment(
            kind=kind,
            from_version=before.version if before else None,
            from_bundle=before.bundle if before else None,
            to_version=after.version if after else None,
            to_bundle=after.bundle if after else None,
            who=who,
            why=why,
            run_id=run_id,
            attempt=attempt,
            at=self._clock.now(),
            verdict=verdict.model_dump(mode="json") if verdict else None,
        )
        try:
            with self._db.write() as session:
                newest = session.exec(select(func.max(Deployment.attempt)).where(Deployment.run_id == run_id)).one()
                if run_id is not None and newest is not None and newest > attempt:
                    raise busy(f"Attempt {newest} of the same run came before this one, which is attempt {attempt}.")
                session.add(row)
        except IntegrityError as error:
            raise busy("The ledger has a line that is still pending.") from error
        return row

    def finish(self, id: int, outcome: Literal["done", "failed"], detail: str, duration_s: float | None) -> Deployment:
        """Close a pending line, once.

        What follows from a change that took effect is written with it, so that no kill comes in between: no run deploys
        a digest that was left by a rollback, one that a person put into service may be deployed again, and a line that
        was taken back by itself is `undone`.
        """
        with self._db.write() as session:
            row = session.get_one(Deployment, id)
            if row.outcome == "pending":
                row.outcome = outcome
                row.detail = detail
                row.duration_s = duration_s
                row.finished_at = self._clock.now()
                session.add(row)
                if outcome == "done":
                    _consequences(session, row)
        return row

    def pending(self) -> list[Deployment]:
        """Lines that are under way, or were when a panel died."""
        with self._db.read() as session:
            return list(session.exec(select(Deployment).where(Deployment.outcome == "pending")))

    def latest(self) -> Deployment | None:
        """The line that put into service what is live now, or None before the first."""
        with self._db.read() as session:
            done = select(Deployment).where(Deployment.outcome == "done")
            return session.exec(done.order_by(col(Deployment.id).desc()).limit(1)).first()

    def pruned(self, version: int) -> None:
        """Note that the files of a version were deleted."""
        with self._db.write() as session:
            row = session.get_one(ModelVersion, version)
            row.pruned_at = self._clock.now()
            session.add(row)


def _consequences(session: Session, row: Deployment) -> None:
    if row.kind in {"rollback", "auto_rollback"}:
        _hold(session, row.from_version, is_held=True)
    if row.kind in {"promote", "rollback"}:
        _hold(session, row.to_version, is_held=False)
    if row.kind == "auto_rollback":
        query = select(Deployment).where(Deployment.to_version == row.from_version, Deployment.outcome == "done")
        taken_back = session.exec(query.order_by(col(Deployment.id).desc()).limit(1)).first()
        if taken_back is not None:
            taken_back.outcome, taken_back.detail = "undone", row.why
            session.add(taken_back)


def _hold(session: Session, version: int | None, *, is_held: bool) -> None:
    """Hold, or let go, the digest of a version: no run deploys a digest that is held."""
    found = session.get(ModelVersion, version) if version is not None else None
    if found is not None:
        same = col(ModelVersion.digest) == found.digest
        session.exec(update(ModelVersion).where(same).values(is_held=is_held))


def busy(why: str) -> ProblemError:
    """DEPLOY-06."""
    return ProblemError(
        "DEPLOY-06",
        "Another deployment is under way.",
        why=why,
        fix="Wait until it has ended, then try again.",
        command="ml-pipeline status",
        retryable=True,
        status=409,
    )
