"""The deploy stage: publishes the bundle and, if it won at the gate, puts it into service."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from sqlmodel import col, select

from app.panel.db.engine import Database
from app.panel.db.patience import patiently
from app.panel.registry.deployer import Deployer, DeploymentRequest
from app.panel.registry.store import DeploymentStore
from app.panel.registry.tables import Deployment, ModelVersion
from app.panel.runs.domain.interfaces import DeployResult, StageLog
from pipeline.core.bundle import bundle_dir, publish, read_manifest, read_model, write_bundle
from pipeline.core.manifest import Manifest
from pipeline.core.pointer import Pointer, read_pointer
from pipeline.core.problems import BundleError
from pipeline.core.stage import StageContext, TrainResult


class DeployStage:
    """Implements `runs.domain.interfaces.Deploy`.

    `prune` is called after each bundle that was published, `on_deployed` after each deployment that took effect;
    `warning` returns a warning that each run should carry at the moment, or "".
    """

    def __init__(
        self,
        *,
        models_dir: Path,
        db: Database,
        store: DeploymentStore,
        deployer: Deployer,
        prune: Callable[[], None],
        on_deployed: Callable[[Deployment], None],
        warning: Callable[[], str],
    ) -> None:
        self._models_dir = models_dir
        self._db = db
        self._store = store
        self._deployer = deployer
        self._prune = prune
        self._on_deployed = on_deployed
        self._warning = warning

    def __call__(self, ctx: StageContext, result: TrainResult, log: StageLog, stop: threading.Event) -> DeployResult:
        """See `Deploy`. A model that lost at the gate is published but does not go live: a person may promote it.

        A database that cannot be written is waited for, until `stop` is set.
        """
        return patiently(lambda: self._deploy(ctx, result, log, stop), "deploy", stop)

    def _deploy(self, ctx: StageContext, result: TrainResult, log: StageLog, stop: threading.Event) -> DeployResult:
        if warning := self._warning():
            log.warning(warning)
        verdict = result.verdict
        existing = self._existing(result, log)
        if existing is not None:
            return existing
        manifest, bundle = self._publish(ctx, result)
        self._store.record_version(manifest, bundle, verdict)
        self._prune()
        log.log(f"Published version {manifest.version} ({manifest.model_bytes / 1e6:.2f} MB) as bundle {bundle}.")
        if verdict.decision != "promote":
            return DeployResult(version=manifest.version, deployed=False, reason=verdict.reason, bundle=bundle)
        request = DeploymentRequest(
            bundle=bundle,
            kind="deploy",
            actor="run",
            reason=verdict.reason,
            run_id=ctx.run_id,
            attempt=ctx.attempt,
            verdict=verdict,
        )
        self._on_deployed(self._deployer.deploy(request, stop, log))
        log.log(f"Version {manifest.version} is live.")
        return DeployResult(version=manifest.version, deployed=True, reason=verdict.reason, bundle=bundle)

    def _existing(self, result: TrainResult, log: StageLog) -> DeployResult | None:
        """Return the result for a model that is live already or blocked, None for any other."""
        live, digest = self._live(log)
        if live is not None and digest == result.digest:
            identical = f"Nothing to deploy: the model is identical to version {live.version}, which is live."
            reason = result.verdict.reason if result.verdict.decision == "identical" else identical
            return DeployResult(version=live.version, deployed=False, reason=reason, bundle=live.bundle)
        blocked = self._blocked_version(result.digest)
        if blocked is None:
            return None
        reason = (
            f"Not deployed: the model is identical to version {blocked.version}, which was rolled back. "
            f"It stays out of service until a person promotes it."
        )
        log.warning(reason)
        return DeployResult(version=blocked.version, deployed=False, reason=reason, bundle=blocked.bundle)

    def _live(self, log: StageLog) -> tuple[Pointer | None, str]:
        """Return the pointer and the digest of the live model.

        The digest is "" if it cannot be read, which must not keep a new model from taking its place.
        """
        try:
            live = read_pointer(self._models_dir)
            return live, read_manifest(bundle_dir(self._models_dir, live)).digest if live is not None else ""
        except BundleError as error:
            warning = f"The live model is not intact: {error}"
            log.warning(warning)
            return None, ""

    def _blocked_version(self, digest: str) -> ModelVersion | None:
        with self._db.read() as session:
            query = select(ModelVersion).where(ModelVersion.digest == digest, col(ModelVersion.is_blocked))
            return session.exec(query.order_by(col(ModelVersion.version).desc())).first()

    def _publish(self, ctx: StageContext, result: TrainResult) -> tuple[Manifest, str]:
        """Return the published manifest and the bundle's name, which is the id of the run that trained it.

        A later run may have taken the number meanwhile (this one failed before it could publish): the model then
        gets the number of the run that deploys it. Its digest, which does not cover the number, stays the same.
        """
        source = result.bundle_dir
        manifest = read_manifest(source)
        with self._db.read() as session:
            existing = session.get(ModelVersion, manifest.version)
        if existing is not None and existing.bundle != manifest.run_id:
            renumbered = manifest.model_copy(update={"version": ctx.version})
            source = ctx.run_dir / f"bundle-{ctx.version}"
            shutil.rmtree(source, ignore_errors=True)  # an attempt that was killed may have left half of it
            write_bundle(source, renumbered, read_model(result.bundle_dir, manifest))
        pointer = publish(self._models_dir, source, manifest.run_id)
        return read_manifest(bundle_dir(self._models_dir, pointer), pointer.sha256), pointer.bundle
