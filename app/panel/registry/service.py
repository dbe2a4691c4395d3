"""What people do with models: put a version into service, go back; and what the panel does at start."""

import threading
from collections.abc import Callable
from pathlib import Path

from sqlmodel import col, select

from app.panel.clock import Clock
from app.panel.db.engine import Database
from app.panel.registry import retention
from app.panel.registry.deploy_stage import Rollout
from app.panel.registry.deployer import Api, Change, Switch
from app.panel.registry.monitor import Watch
from app.panel.registry.queries import DeploymentRow, ModelQueries, deployment_row
from app.panel.registry.store import Ledger
from app.panel.registry.tables import Deployment, ModelVersion
from app.panel.services.prediction_client import PredictionClient
from pipeline.core.bundle import VERSIONS_DIR, read_manifest
from pipeline.core.problems import BundleError, ProblemError


class ModelService:
    """The verbs. Sync and thread-safe; call them in a worker thread. Each returns when it has taken effect."""

    def __init__(
        self,
        *,
        models_dir: Path,
        db: Database,
        queries: ModelQueries,
        api: Api,
        clock: Clock,
        watch_s: float,
        client: PredictionClient,
        notice: Callable[[], str] = str,
    ) -> None:
        """`notice` is a warning that each run should carry at the moment, or ""."""
        self._models_dir = models_dir
        self._db = db
        self._queries = queries
        self._clock = clock
        self._ledger = Ledger(db, clock)
        self._switch = Switch(models_dir, self._ledger, api, clock, client)
        self._watch = Watch(client, clock, watch_s, self._back)
        self._closing = threading.Event()
        self.deploy = Rollout(models_dir, db, self._ledger, self._switch, self._make_room, self._watch.begin, notice)

    def promote(self, version: int, who: str) -> DeploymentRow:
        """Put `version` into service, and let its digest be deployed again if it was held.

        Raises ProblemError DEPLOY-04 (404: no such version), DEPLOY-05 (409: its files are gone, or it is live),
        DEPLOY-06 (409: another deployment is under way), DEPLOY-01..03 (the API did not take it; the old one is back).
        """
        row = self._usable(version)
        change = Change(bundle=row.bundle, kind="promote", who=who, why=f"Promoted by {who}.")
        done = self._switch.move(change, self._closing)
        self._watch.begin(done)
        return deployment_row(done)

    def rollback(self, who: str, to: int | None = None, leaving: int | None = None) -> DeploymentRow:
        """Go back to `to`, or to the version that was live before; holds the digest that is left.

        Raises as `promote`, DEPLOY-07 (409: there is nothing to go back to), and DEPLOY-06 where another version is
        live than `leaving`, or than when it was called without `to`: what is held back is what somebody meant.
        """
        left = self._queries.pointer()
        if to is None:
            previous = self._queries.previous()
            if left is None or previous is None:
                raise ProblemError(
                    "DEPLOY-07",
                    "There is no version to go back to.",
                    why="The live version is the first one, or those before it were taken out of service.",
                    fix="Promote the version that you want on the models page.",
                    command="ml-pipeline promote VERSION",
                    status=409,
                )
            to, leaving = previous.version, leaving or left.version
        row = self._usable(to)
        why = f"Rolled back by {who}."
        change = Change(bundle=row.bundle, kind="rollback", who=who, why=why, only_from=leaving)
        return deployment_row(self._switch.move(change, self._closing))

    def next_version(self) -> int:
        """1 + the highest version that ever was, in the history or on disk."""
        return 1 + max(self._queries.highest(), *self._on_disk(), 0)

    def recover(self) -> None:
        """At start: undo what a killed panel left pending, delete what it left half written, and watch on."""
        retention.sweep(self._models_dir)
        self._switch.settle()
        latest = self._ledger.latest()
        if latest is not None and latest.kind in {"deploy", "promote"}:
            self._watch.resume(latest)

    def close(self) -> None:
        """Give up what is under way; the pointer goes back."""
        self._closing.set()
        self._watch.close()

    def _usable(self, version: int) -> ModelVersion:
        with self._db.read() as session:
            row = session.get(ModelVersion, version)
        if row is None:
            raise ProblemError(
                "DEPLOY-04",
                f"There is no model version {version}.",
                fix="See the models page for those there are.",
                command="ml-pipeline status",
                status=404,
            )
        live = self._queries.pointer()
        is_live = live is not None and live.version == version
        if is_live or row.pruned_at is not None:
            raise ProblemError(
                "DEPLOY-05",
                f"Version {version} cannot be put into service.",
                why="It is live already." if is_live else "Its files were deleted to save space.",
                fix="Nothing to do." if is_live else "Run the pipeline again from its parameters.",
                command="ml-pipeline status" if is_live else "ml-pipeline run",
                status=409,
            )
        return row

    def _make_room(self) -> None:
        """Delete the bundles that are surplus, unless a switch is under way: it may need one; the next run makes room."""
        with self._switch.idle() as is_idle:
            if is_idle:
                self._prune()

    def _prune(self) -> None:
        live, previous = self._queries.pointer(), self._queries.previous()
        needed = [row.version for row in (live, previous) if row is not None]
        with self._db.read() as session:
            kept = session.exec(select(ModelVersion).where(col(ModelVersion.pruned_at).is_(None)))
            bundles = {version.version: version.bundle for version in kept}
        gone = retention.surplus(bundles, needed)
        retention.prune(self._models_dir, {version: bundles[version] for version in gone}, self._ledger)

    def _back(self, row: Deployment, reason: str) -> None:
        """Roll back by ourselves what was just put into service, and hold it."""
        if row.from_version is None or row.to_version is None or row.from_bundle is None:
            return
        change = Change(bundle=row.from_bundle, kind="auto_rollback", who="watch", why=reason, only_from=row.to_version)
        self._switch.move(change, self._closing)

    def _on_disk(self) -> list[int]:
        found = []
        for folder in (self._models_dir / VERSIONS_DIR).glob("[!.]*"):
            try:
                found.append(read_manifest(folder).version)
            except BundleError:
                continue
        return found
