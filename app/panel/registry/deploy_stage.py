"""The deploy stage: publish the bundle, switch to it, and believe it only when the prediction API answers with it."""

import threading
from collections.abc import Callable
from pathlib import Path

from sqlmodel import col, select

from app.panel.db.engine import Database
from app.panel.registry.deployer import Change, Switch
from app.panel.registry.store import Ledger
from app.panel.registry.tables import Deployment, ModelVersion
from app.panel.runs.domain.interfaces import DeployResult, StageLog
from pipeline.core.bundle import (
    Manifest,
    Pointer,
    bundle_dir,
    publish,
    read_manifest,
    read_model,
    read_pointer,
    write_bundle,
)
from pipeline.core.problems import BundleError
from pipeline.core.stage import StageContext, TrainResult


class Rollout:
    """Implements `runs.ports.Deploy`. `make_room` is called after each bundle that was published, `on_done` after each
    deployment that took effect."""

    def __init__(  # noqa: PLR0917 - one caller, which has them all by these names
        self,
        models_dir: Path,
        db: Database,
        ledger: Ledger,
        switch: Switch,
        make_room: Callable[[], None],
        on_done: Callable[[Deployment], None],
        notice: Callable[[], str],
    ) -> None:
        self._models_dir = models_dir
        self._db = db
        self._ledger = ledger
        self._switch = switch
        self._make_room = make_room
        self._on_done = on_done
        self._notice = notice

    def __call__(self, ctx: StageContext, result: TrainResult, log: StageLog, stop: threading.Event) -> DeployResult:
        """See `Deploy`. A model that lost at the gate is published, but not put into service: a person may do that."""
        if notice := self._notice():
            log.warning(notice)
        verdict = result.verdict
        live, digest = self._live(log)
        if live is not None and digest == result.digest:
            same = f"Nothing to deploy: version {live.version}, which is live, is the same model."
            reason = verdict.reason if verdict.decision == "identical" else same
            return DeployResult(version=live.version, deployed=False, reason=reason, bundle=live.bundle)
        held = self._held(result.digest)
        if held is not None:
            reason = (
                f"Nothing is deployed: this is the same model as version {held.version}, which was taken out of "
                f"service. It stays out until a person promotes it."
            )
            log.warning(reason)
            return DeployResult(version=held.version, deployed=False, reason=reason, bundle=held.bundle)
        manifest, bundle = self._publish(ctx, result)
        self._ledger.record_version(manifest, bundle, verdict)
        self._make_room()
        log.log(f"Published version {manifest.version} ({manifest.model_bytes / 1e6:.2f} MB) as bundle {bundle}.")
        if verdict.decision != "promote":
            return DeployResult(version=manifest.version, deployed=False, reason=verdict.reason, bundle=bundle)
        change = Change(
            bundle=bundle,
            kind="deploy",
            who="run",
            why=verdict.reason,
            run_id=ctx.run_id,
            attempt=ctx.attempt,
            verdict=verdict,
        )
        row = self._switch.move(change, stop, log)
        self._on_done(row)
        log.log(f"Version {manifest.version} is live.")
        return DeployResult(version=manifest.version, deployed=True, reason=verdict.reason, bundle=bundle)

    def _live(self, log: StageLog) -> tuple[Pointer | None, str]:
        """What is live and its digest; "" where it cannot be read, which must not keep a new model from taking its place."""
        try:
            live = read_pointer(self._models_dir)
            return live, read_manifest(bundle_dir(self._models_dir, live)).digest if live is not None else ""
        except BundleError as error:
            obstacle = f"The live model is not intact: {error}"
            log.warning(obstacle)
            return None, ""

    def _held(self, digest: str) -> ModelVersion | None:
        with self._db.read() as session:
            query = select(ModelVersion).where(ModelVersion.digest == digest, col(ModelVersion.is_held))
            return session.exec(query.order_by(col(ModelVersion.version).desc())).first()

    def _publish(self, ctx: StageContext, result: TrainResult) -> tuple[Manifest, str]:
        """The published manifest and the bundle's name, which is the id of the run that trained it.

        A later run may have taken the number meanwhile (this one failed before it could publish): then the model
        gets the number of the run that deploys it. Its digest, which does not cover the number, stays.
        """
        source = result.bundle_dir
        manifest = read_manifest(source)
        with self._db.read() as session:
            taken = session.get(ModelVersion, manifest.version)
        if taken is not None and taken.bundle != manifest.run_id:
            renumbered = manifest.model_copy(update={"version": ctx.version})
            source = ctx.run_dir / f"bundle-{ctx.version}"
            if not source.exists():
                write_bundle(source, renumbered, read_model(result.bundle_dir, manifest))
        pointer = publish(self._models_dir, source, manifest.run_id)
        return read_manifest(bundle_dir(self._models_dir, pointer), pointer.sha256), pointer.bundle
