"""Puts a bundle into service: moves the pointer, and keeps it there only if the prediction API reproduces the bundle.

One deployment at a time. What the API serves is never assumed: the API polls the pointer and reports by `/readyz`
which version it has loaded. On any failure the pointer goes back to the previous version, which never stopped serving.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from app.panel.audit.actor import PANEL, acting
from app.panel.clock import Clock
from app.panel.db.patience import patiently
from app.panel.registry.golden import largest_difference
from app.panel.registry.problems import (
    ActivationTimeoutError,
    DeploymentCancelledError,
    DeploymentConflictError,
    GoldenRowsDifferError,
    VersionRejectedError,
)
from app.panel.registry.store import DeploymentStore
from app.panel.registry.tables import Deployment
from app.panel.registry.views import DeploymentKind
from app.panel.runs.domain.interfaces import StageLog
from app.panel.services.prediction_client import NoResponseError, PredictionClient
from app.panel.services.protocol import ServiceName
from pipeline.core.bundle import bundle_dir, pointer_to, read_manifest
from pipeline.core.manifest import PREDICTION_TOLERANCE, Manifest
from pipeline.core.pointer import Pointer, find_pointer, read_pointer, write_pointer
from pipeline.core.problems import BundleError
from pipeline.core.stage import GateVerdict

READY_TIMEOUT_S: Final = 60.0
# The API itself verifies a bundle for up to 20 s before it rejects it.
ACTIVATION_TIMEOUT_S: Final = 30.0
POLL_INTERVAL_S: Final = 0.02
LOCK_TIMEOUT_S: Final = 30.0


class Services(Protocol):
    """The supervisor, as far as deployments need it."""

    def wait_ready(self, names: tuple[ServiceName, ...], timeout_s: float, stop: threading.Event) -> None:
        """Return when the services are ready. Raises ProblemError."""


@dataclass(frozen=True, kw_only=True)
class DeploymentRequest:
    """A bundle that should go live, and who asked for it. `bundle` is the name of a published bundle.

    With `only_from`, the deployment is given up (DEPLOY-06) if another version is live when its turn comes.
    """

    bundle: str
    kind: DeploymentKind
    actor: str
    reason: str
    run_id: str | None = None
    attempt: int = 0
    verdict: GateVerdict | None = None
    only_from: int | None = None


class Deployer:
    """See the module. Sync and thread-safe."""

    def __init__(
        self,
        *,
        models_dir: Path,
        store: DeploymentStore,
        services: Services,
        client: PredictionClient,
        clock: Clock,
        before_switch: Callable[[Pointer | None], None],
        closing: threading.Event,
        repair: Callable[[], object],
    ) -> None:
        """`before_switch` is called with the live model while it still is, and raises nothing.

        `closing`: the panel goes down. What cannot be recorded by then is settled by `reconcile` at its next start.
        `repair` brings the live model's files back to what the history says, as far as it can.
        """
        self._models_dir = models_dir
        self._store = store
        self._services = services
        self._client = client
        self._clock = clock
        self._before_switch = before_switch
        self._closing = closing
        self._repair = repair
        self._lock = threading.Lock()

    def deploy(self, request: DeploymentRequest, stop: threading.Event, log: StageLog | None = None) -> Deployment:
        """Make a bundle live and return the finished deployment, once it has taken effect.

        Raises ProblemError: MODEL-02 the bundle is not intact, DEPLOY-01 the API did not load it in time, DEPLOY-02
        the API rejected it, DEPLOY-03 its predictions differ, DEPLOY-06 another deployment came first, DEPLOY-08
        `stop` was set, or the problem that keeps the API from running. In each case the pointer is what it was.
        """
        with self._deploy_lock(stop):
            self.reconcile()
            # One that cannot be read must not keep out what writes it again.
            before = find_pointer(self._models_dir)
            if request.only_from is not None and (before is None or before.version != request.only_from):
                raise DeploymentConflictError(f"Version {request.only_from} is no longer live.")
            after = pointer_to(self._models_dir, request.bundle)
            manifest = read_manifest(bundle_dir(self._models_dir, after), after.sha256)
            started = self._clock.monotonic()
            row = self._store.begin(
                request.kind,
                before,
                after,
                actor=request.actor,
                reason=request.reason,
                run_id=request.run_id,
                attempt=request.attempt,
                verdict=request.verdict,
            )
            assert row.id is not None
            try:
                self._activate(before, after, manifest, stop, log)
                # It is done once that is written; until then `stop` undoes it as at any other moment.
                return self._finish(row.id, "done", "", self._clock.monotonic() - started, stop)
            except BaseException as error:
                try:
                    if find_pointer(self._models_dir) == after:
                        write_pointer(self._models_dir, before)
                except OSError as refusal:  # the row stays pending: the next deployment or start restores it first
                    if log is not None:
                        warning = f"The previous version could not be put back yet: {refusal}"
                        log.warning(warning)
                    raise error from None
                detail = str(error) or type(error).__name__
                self._finish(row.id, "failed", detail, self._clock.monotonic() - started, self._closing)
                raise

    def reconcile(self) -> None:
        """Make pointer, files and history agree again after a kill, a full disk, lost files or a manual change.

        Only at start, or while holding the deploy lock: nobody is working on a pending deployment then.
        """
        with acting(PANEL):  # not whoever happens to deploy next
            for row in self._store.pending():
                self._undo(row)
            self._repair()

    def reconcile_if_idle(self) -> None:
        """Reconcile, unless a deployment is in progress, which does so itself."""
        with self.idle() as is_idle:
            if is_idle:
                self.reconcile()

    @contextmanager
    def idle(self) -> Iterator[bool]:
        """Yield True if no deployment is in progress; none starts within the block."""
        is_idle = self._lock.acquire(blocking=False)
        try:
            yield is_idle
        finally:
            if is_idle:
                self._lock.release()

    @contextmanager
    def _deploy_lock(self, stop: threading.Event) -> Iterator[None]:
        deadline = self._clock.monotonic() + LOCK_TIMEOUT_S
        while not self._lock.acquire(timeout=0.1):
            if stop.is_set():
                raise DeploymentCancelledError
            if self._clock.monotonic() >= deadline:
                raise DeploymentConflictError(f"It has not finished within {LOCK_TIMEOUT_S:.0f} s.")
        try:
            yield
        finally:
            self._lock.release()

    def _finish(
        self, id: int, outcome: Literal["done", "failed"], detail: str, duration_s: float, stop: threading.Event
    ) -> Deployment:
        """Record the outcome as soon as the database can be written, until `stop` is set."""
        return patiently(lambda: self._store.finish(id, outcome, detail, duration_s), "finish_deployment", stop)

    def _undo(self, row: Deployment) -> None:
        """Restore the previous version: nobody has seen the API serve the new one."""
        assert row.id is not None
        try:
            before = pointer_to(self._models_dir, row.from_bundle) if row.from_bundle else None
        except BundleError:
            stays = "The panel stopped during this deployment. The previous version cannot be read, so this one stays."
            self._store.finish(row.id, "done", stays, None)
            return
        with contextlib.suppress(BundleError):
            current = read_pointer(self._models_dir)
            if current is not None and current.bundle == row.to_bundle and current.bundle != row.from_bundle:
                write_pointer(self._models_dir, before)
        detail = "The panel stopped during this deployment. The previous version was restored."
        self._store.finish(row.id, "failed", detail, None)

    def _activate(
        self, before: Pointer | None, after: Pointer, manifest: Manifest, stop: threading.Event, log: StageLog | None
    ) -> None:
        self._services.wait_ready(("api",), READY_TIMEOUT_S, stop)
        if stop.is_set():
            # A stale attempt ends here: it has not changed anything.
            raise DeploymentCancelledError
        self._before_switch(before)
        n_failed_reloads = self._n_failed_reloads()
        write_pointer(self._models_dir, after)
        started = self._clock.monotonic()
        self._wait_until_served(manifest, n_failed_reloads, stop)
        waited_s = self._clock.monotonic() - started
        difference = self._check_golden_rows(manifest)
        if stop.is_set():
            raise DeploymentCancelledError
        if log is not None:
            log.log(f"The prediction API serves version {manifest.version} after {waited_s:.2f} s.")
            n_rows = len(manifest.golden)
            log.log(f"{n_rows} golden rows match over HTTP; the largest difference is {difference:.1e}.")

    def _n_failed_reloads(self) -> int:
        try:
            return self._client.readiness().reload_failed
        except NoResponseError:
            return 0

    def _wait_until_served(self, manifest: Manifest, n_failed_reloads: int, stop: threading.Event) -> None:
        """Return when the API serves the version; raises DEPLOY-01, DEPLOY-02 or DEPLOY-08."""
        deadline = self._clock.monotonic() + ACTIVATION_TIMEOUT_S
        while True:
            try:
                readiness = self._client.readiness()
            except NoResponseError as error:
                state = str(error)
            else:
                if readiness.ready and (readiness.version, readiness.digest) == (manifest.version, manifest.digest):
                    return
                problem = readiness.problem
                # What it says of another version is no verdict on this one.
                is_meant = readiness.wanted in {None, manifest.version}
                if problem is not None and is_meant and readiness.reload_failed > n_failed_reloads:
                    raise VersionRejectedError(manifest.version, f"{problem.id}: {problem.what} {problem.why}")
                live = readiness.version
                state = "It has no model yet." if live is None else f"It serves version {live}."
            if self._clock.monotonic() >= deadline:
                raise ActivationTimeoutError(manifest.version, timeout_s=ACTIVATION_TIMEOUT_S, state=state)
            if stop.wait(POLL_INTERVAL_S):
                raise DeploymentCancelledError

    def _check_golden_rows(self, manifest: Manifest) -> float:
        """Return the largest difference; raises DEPLOY-03 if it is too large."""
        try:
            predictions = self._client.predict([golden.record for golden in manifest.golden])
        except NoResponseError as error:
            raise GoldenRowsDifferError(manifest.version, str(error)) from error
        difference = largest_difference(manifest, predictions)
        if difference > PREDICTION_TOLERANCE:
            raise GoldenRowsDifferError.by(manifest.version, difference=difference, n_rows=len(manifest.golden))
        return difference
