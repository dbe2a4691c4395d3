"""Promotes versions and rolls back, for pages and API; recovers at start."""

import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from sqlmodel import col, select

from app.panel.clock import Clock
from app.panel.db.engine import Database
from app.panel.db.patience import patiently
from app.panel.registry import retention
from app.panel.registry.deploy_stage import DeployStage
from app.panel.registry.deployer import Deployer, DeploymentRequest, Services
from app.panel.registry.ledger import Ledger
from app.panel.registry.monitor import DeploymentMonitor
from app.panel.registry.problems import (
    DamagedVersionError,
    NoPreviousVersionError,
    UnknownVersionError,
    VersionUnavailableError,
)
from app.panel.registry.queries import ModelQueries, deployment_row
from app.panel.registry.repair import LiveModelRepair, Repair
from app.panel.registry.store import DeploymentStore
from app.panel.registry.tables import Deployment, ModelVersion
from app.panel.registry.views import DeploymentRow
from app.panel.services.prediction_client import PredictionClient
from pipeline.core.bundle import VERSIONS_DIR, read_manifest
from pipeline.core.problems import BundleError


class ModelService:
    """Sync and thread-safe; call its methods in a worker thread. Each returns when it has taken effect."""

    def __init__(
        self,
        *,
        models_dir: Path,
        db: Database,
        queries: ModelQueries,
        services: Services,
        client: PredictionClient,
        clock: Clock,
        watch_s: float,
        runs_dir: Path,
        warning: Callable[[], str] = str,
    ) -> None:
        """`warning` returns a warning that each run should carry at the moment, or ""; `runs_dir` has a folder for each run."""
        self._models_dir = models_dir
        self._db = db
        self._queries = queries
        self._store = DeploymentStore(db, clock, Ledger(models_dir))
        self._closing = threading.Event()
        self._monitor = DeploymentMonitor(
            models_dir=models_dir, client=client, clock=clock, watch_s=watch_s, roll_back=self._auto_roll_back
        )
        self._repair = LiveModelRepair(
            models_dir=models_dir, runs_dir=runs_dir, store=self._store, queries=queries, clock=clock
        )
        self._deployer = Deployer(
            models_dir=models_dir,
            store=self._store,
            services=services,
            client=client,
            clock=clock,
            before_switch=self._monitor.measure,
            closing=self._closing,
            repair=self._repair.repair,
        )
        self.deploy = DeployStage(
            models_dir=models_dir,
            db=db,
            store=self._store,
            deployer=self._deployer,
            prune=self._prune,
            on_deployed=self._monitor.watch,
            warning=warning,
        )

    def promote(self, version: int, actor: str) -> DeploymentRow:
        """Put `version` into service, and unblock its digest for runs.

        Raises ProblemError DEPLOY-04 (404: no such version), DEPLOY-05 (409: its files are gone, or it is live), DEPLOY-09
        (409: its files are damaged),
        DEPLOY-06 (409: another deployment came first), DEPLOY-01..03 (the API did not accept it; the previous version
        is live again).
        """
        version_row = self._promotable(version)
        reason = f"Promoted {by(actor)}."
        request = DeploymentRequest(bundle=version_row.bundle, kind="promote", actor=actor, reason=reason)
        row = self._deployer.deploy(request, self._closing)
        self._monitor.watch(row)
        return deployment_row(row)

    def roll_back(self, actor: str, to: int | None = None, leaving: int | None = None) -> DeploymentRow:
        """Go back to `to`, or to the version that was live before; blocks the digest that is left.

        Raises as `promote`, DEPLOY-07 (409: there is nothing to go back to), and DEPLOY-06 if another version is live
        than `leaving`, or than at the time of a call without `to`: only what somebody meant to leave is blocked.
        """
        left = self._queries.pointer()
        if to is None:
            intact = (row for row in self._queries.targets() if self._queries.checks.problem(row.bundle) is None)
            target = next(intact, None)
            if left is None or target is None:
                raise NoPreviousVersionError
            to, leaving = target.version, leaving or left.version
        version_row = self._promotable(to)
        reason = f"Rolled back {by(actor)}."
        request = DeploymentRequest(
            bundle=version_row.bundle, kind="rollback", actor=actor, reason=reason, only_from=leaving
        )
        return deployment_row(self._deployer.deploy(request, self._closing))

    def next_version(self) -> int:
        """Return 1 + the highest version that ever was, in the history or on disk, once the live model is what it should be:
        a run is about to be compared with it."""
        self.check_live()
        return 1 + max(self._queries.highest_version(), *self._versions_on_disk(), 0)

    def fell_back_at(self) -> datetime | None:
        """See `runs.domain.interfaces.ModelVersions`."""
        latest = self._store.latest()
        return latest.finished_at if latest is not None and latest.kind == "fallback" else None

    def recover(self) -> None:
        """At start: undo what a killed panel left pending, delete what it left half written, and resume the monitor."""
        retention.sweep(self._models_dir)
        self._deployer.reconcile()
        latest = self._store.latest()
        if latest is not None and latest.kind in {"deploy", "promote"}:
            self._monitor.resume(latest)

    def check_live(self) -> BundleError | None:
        """Repair pointer and live bundle if they need it, unless a deployment is in progress. Return what remains. Cheap."""
        fault = self._repair.find_fault()
        if fault is not None:
            self._deployer.reconcile_if_idle()
            fault = self._repair.find_fault()
        return fault

    def check_next_bundle(self) -> None:
        """Check the files of one version that has not been checked since they changed."""
        self._queries.checks.check_next()

    @property
    def last_repair(self) -> Repair | None:
        """Return what was mended last since the start, None for nothing."""
        return self._repair.last

    def close(self) -> None:
        """Cancel a deployment in progress, which restores the previous version, and stop the monitor."""
        self._closing.set()
        self._monitor.close()

    def _promotable(self, version: int) -> ModelVersion:
        with self._db.read() as session:
            row = session.get(ModelVersion, version)
        if row is None:
            raise UnknownVersionError(version)
        live = self._queries.pointer()
        is_live = live is not None and live.version == version
        if is_live or row.pruned_at is not None:
            raise VersionUnavailableError(version, is_live=is_live)
        damage = self._queries.checks.problem(row.bundle)
        if damage is not None:
            raise DamagedVersionError(version, damage)
        return row

    def _prune(self) -> None:
        """Delete surplus bundles, unless a deployment is in progress, which may need one; the next run prunes then."""
        with self._deployer.idle() as is_idle:
            if not is_idle:
                return
            live, targets = self._queries.pointer(), self._queries.targets()
            needed = [row.version for row in (live, *targets[:1]) if row is not None]
            with self._db.read() as session:
                on_disk = session.exec(select(ModelVersion).where(col(ModelVersion.pruned_at).is_(None)))
                bundles = {row.version: row.bundle for row in on_disk}
            surplus = retention.surplus(bundles, needed)
            retention.prune(self._models_dir, {version: bundles[version] for version in surplus}, self._store)

    def _auto_roll_back(self, row: Deployment, reason: str) -> None:
        """Restore the version that was live before `row`, or the newest intact one before that, and block the one that `row`
        put into service."""
        if row.from_version is None or row.to_version is None:
            return
        earlier = self._queries.earlier(row.to_version)
        first = sorted(earlier, key=lambda version: version.bundle != row.from_bundle)
        bundle = next((each.bundle for each in first if self._queries.checks.problem(each.bundle) is None), None)
        if bundle is None:
            return
        request = DeploymentRequest(
            bundle=bundle, kind="auto_rollback", actor="monitor", reason=reason, only_from=row.to_version
        )
        # A model that fails must not stay in service because the database could not be written at that moment.
        patiently(lambda: self._deployer.deploy(request, self._closing), "auto_rollback", self._closing)

    def _versions_on_disk(self) -> list[int]:
        versions = []
        for folder in (self._models_dir / VERSIONS_DIR).glob("[!.]*"):
            try:
                versions.append(read_manifest(folder).version)
            except BundleError:
                continue
        return versions


def by(actor: str) -> str:
    """Return how a sentence names who did something."""
    return {"web": "manually", "api": "through the API"}.get(actor, f"by {actor}")
