"""The only writer of model versions and of the ledger of deployments."""

from datetime import datetime
from typing import Literal

from sqlalchemy import func, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from app.panel.clock import Clock
from app.panel.db.engine import Database
from app.panel.models.models import Deployment, ModelVersion
from app.panel.models.queries import DeploymentKind
from pipeline.bundle import Manifest, Pointer
from pipeline.errors import ProblemError
from pipeline.stage import GateVerdict


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

    def finish(
        self, id: int, outcome: Literal["done", "failed", "undone"], detail: str, duration_s: float | None
    ) -> Deployment:
        """Close a pending line, once."""
        with self._db.write() as session:
            row = session.get_one(Deployment, id)
            if row.outcome == "pending":
                row.outcome = outcome
                row.detail = detail
                row.duration_s = duration_s
                row.finished_at = self._clock.now()
                session.add(row)
        return row

    def undo(self, id: int, detail: str) -> None:
        """Note that what a finished line put into service was taken back."""
        with self._db.write() as session:
            session.exec(update(Deployment).where(col(Deployment.id) == id).values(outcome="undone", detail=detail))

    def hold(self, version: int, *, is_held: bool) -> None:
        """Hold, or let go, the digest of a version: no run deploys a digest that is held."""
        with self._db.write() as session:
            row = session.get(ModelVersion, version)
            if row is not None:
                values = update(ModelVersion).where(col(ModelVersion.digest) == row.digest).values(is_held=is_held)
                session.exec(values)

    def pruned(self, version: int) -> None:
        """Note that the files of a version were deleted."""
        with self._db.write() as session:
            row = session.get_one(ModelVersion, version)
            row.pruned_at = self._clock.now()
            session.add(row)


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
