"""Moves the pointer, and does not leave it moved unless the prediction API answers as the bundle promises.

One switch at a time. What the API holds is asked, never assumed: it polls the pointer, and says by `/readyz` which
version it serves. On any failure the pointer goes back, and the model that served before never stopped.
"""

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from app.panel.clock import Clock
from app.panel.registry.golden import TOLERANCE, largest_difference
from app.panel.registry.queries import DeploymentKind
from app.panel.registry.store import Ledger, busy
from app.panel.registry.tables import Deployment
from app.panel.runs.domain.interfaces import StageLog
from app.panel.services.prediction_client import NoResponseError, PredictionClient
from app.panel.services.protocol import ServiceName
from pipeline.core.bundle import Manifest, Pointer, bundle_dir, pointer_to, read_manifest, read_pointer, write_pointer
from pipeline.core.problems import BundleError, ProblemError
from pipeline.core.stage import GateVerdict

READY_S: Final = 60.0
# The API itself gives a bundle 20 s to prove itself before it refuses it.
TAKES_S: Final = 30.0
POLL_S: Final = 0.02
LOCK_S: Final = 30.0


class Api(Protocol):
    """What is needed of the supervisor."""

    def wait_ready(self, names: tuple[ServiceName, ...], timeout_s: float, stop: threading.Event) -> None:
        """Return when they answer. Raises ProblemError."""

    def url(self, name: ServiceName) -> str:
        """Base URL."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is to go live, and on whose word. `bundle` is a published folder."""

    bundle: str
    kind: DeploymentKind
    who: str
    why: str
    run_id: str | None = None
    attempt: int = 0
    verdict: GateVerdict | None = None
    only_from: int | None = None  # give up (DEPLOY-06) if another version is live by the time it is this one's turn


class Switch:
    """See the module. Sync and thread-safe."""

    def __init__(self, models_dir: Path, ledger: Ledger, api: Api, clock: Clock, client: PredictionClient) -> None:
        self._models_dir = models_dir
        self._ledger = ledger
        self._api = api
        self._clock = clock
        self._client = client
        self._turn = threading.Lock()

    def move(self, change: Change, stop: threading.Event, log: StageLog | None = None) -> Deployment:
        """Make a bundle live and return the closed line of the ledger, once it has taken effect.

        Raises ProblemError: MODEL-02 the bundle is not intact, DEPLOY-01 the API did not take it in time, DEPLOY-02
        the API refused it, DEPLOY-03 its answers differ, DEPLOY-06 another deployment is under way, DEPLOY-08 `stop`
        was set, or what keeps the API from running. In each case the pointer is what it was.
        """
        with self._my_turn(stop):
            self.settle()
            before = read_pointer(self._models_dir)
            if change.only_from is not None and (before is None or before.version != change.only_from):
                raise busy(f"Version {change.only_from} is no longer the live one.")
            after = pointer_to(self._models_dir, change.bundle)
            manifest = read_manifest(bundle_dir(self._models_dir, after), after.sha256)
            begun = self._clock.monotonic()
            row = self._ledger.begin(
                change.kind,
                before,
                after,
                who=change.who,
                why=change.why,
                run_id=change.run_id,
                attempt=change.attempt,
                verdict=change.verdict,
            )
            assert row.id is not None
            try:
                self._take(after, manifest, stop, log)
                return self._ledger.finish(row.id, "done", "", self._clock.monotonic() - begun)
            except BaseException as error:
                if read_pointer(self._models_dir) == after:
                    write_pointer(self._models_dir, before)
                detail = str(error) or type(error).__name__
                self._ledger.finish(row.id, "failed", detail, self._clock.monotonic() - begun)
                raise

    def settle(self) -> None:
        """Bring pointer and ledger together where a kill, a full disk or a hand has parted them.

        Only at start, or by whoever has the turn: a line that is pending then is nobody's.
        """
        for row in self._ledger.pending():
            self._undo(row)
        try:
            read_pointer(self._models_dir)
        except BundleError:
            latest = self._ledger.latest()
            with contextlib.suppress(BundleError):
                known = latest.to_bundle if latest is not None else None
                write_pointer(self._models_dir, pointer_to(self._models_dir, known) if known else None)

    def _undo(self, row: Deployment) -> None:
        """Nobody saw it answer, so it goes back."""
        assert row.id is not None
        try:
            before = pointer_to(self._models_dir, row.from_bundle) if row.from_bundle else None
        except BundleError:
            stays = "The panel ended in the middle of it; the version before cannot be read, so this one stays."
            self._ledger.finish(row.id, "done", stays, None)
            return
        with contextlib.suppress(BundleError):
            now = read_pointer(self._models_dir)
            if now is not None and now.bundle == row.to_bundle and now.bundle != row.from_bundle:
                write_pointer(self._models_dir, before)
        self._ledger.finish(row.id, "failed", "The panel ended in the middle of it; the pointer went back.", None)

    @contextmanager
    def idle(self) -> Iterator[bool]:
        """Whether no switch is under way; none begins inside."""
        is_idle = self._turn.acquire(blocking=False)
        try:
            yield is_idle
        finally:
            if is_idle:
                self._turn.release()

    @contextmanager
    def _my_turn(self, stop: threading.Event) -> Iterator[None]:
        deadline = self._clock.monotonic() + LOCK_S
        while not self._turn.acquire(timeout=0.1):
            if stop.is_set():
                raise _cancelled()
            if self._clock.monotonic() >= deadline:
                raise busy("It has not ended within half a minute.")
        try:
            yield
        finally:
            self._turn.release()

    def _take(self, after: Pointer, manifest: Manifest, stop: threading.Event, log: StageLog | None) -> None:
        self._api.wait_ready(("api",), READY_S, stop)
        if stop.is_set():
            # A stale attempt ends here: it has not touched anything.
            raise _cancelled()
        n_refused = self._n_refused()
        write_pointer(self._models_dir, after)
        begun = self._clock.monotonic()
        self._wait_for(manifest, n_refused, stop)
        waited_s = self._clock.monotonic() - begun
        difference = self._check_golden(manifest)
        if stop.is_set():
            raise _cancelled()
        if log is not None:
            log.log(f"The prediction API answers with version {manifest.version} after {waited_s:.2f} s.")
            n_rows = len(manifest.golden)
            log.log(f"{n_rows} golden rows agree over HTTP; the largest difference is {difference:.1e}.")

    def _n_refused(self) -> int:
        """How many pointers the API could not follow since it started; 0 where it does not say."""
        try:
            return self._client.readiness().reload_failed
        except NoResponseError:
            return 0

    def _wait_for(self, manifest: Manifest, n_refused: int, stop: threading.Event) -> None:
        """Return when the API is ready with the version; raises DEPLOY-01, DEPLOY-02 or DEPLOY-08."""
        deadline = self._clock.monotonic() + TAKES_S
        while True:
            try:
                readiness = self._client.readiness()
            except NoResponseError as error:
                state = str(error)
            else:
                if readiness.ready and (readiness.version, readiness.digest) == (manifest.version, manifest.digest):
                    return
                problem = readiness.problem
                if problem is not None and readiness.reload_failed > n_refused:
                    raise _refused(manifest.version, f"{problem.id}: {problem.what} {problem.why}")
                live = readiness.version
                state = "It has no model yet." if live is None else f"It serves version {live}."
            if self._clock.monotonic() >= deadline:
                raise _not_taken(manifest.version, state)
            if stop.wait(POLL_S):
                raise _cancelled()

    def _check_golden(self, manifest: Manifest) -> float:
        """The largest difference; raises DEPLOY-03 if that is too large."""
        try:
            predictions = self._client.predict([golden.record for golden in manifest.golden])
        except NoResponseError as error:
            raise _differs(manifest.version, str(error)) from error
        difference = largest_difference(manifest, predictions)
        if difference > TOLERANCE:
            n_rows = len(manifest.golden)
            raise _differs(manifest.version, f"The largest difference over {n_rows} golden rows is {difference:.1e}.")
        return difference


def _differs(version: int, why: str) -> ProblemError:
    return ProblemError(
        "DEPLOY-03",
        f"The prediction API answers differently from version {version} as it was trained.",
        why=why,
        fix="The version before is live again. Look at the API's log on the services page.",
        command="ml-pipeline status",
        status=502,
    )


def _not_taken(version: int, state: str) -> ProblemError:
    return ProblemError(
        "DEPLOY-01",
        f"The prediction API did not take version {version} within {TAKES_S:.0f} s.",
        why=state,
        fix="The version before is live again. Look at the API's log on the services page.",
        command="ml-pipeline status",
        retryable=True,
        status=504,
    )


def _refused(version: int, reason: str) -> ProblemError:
    return ProblemError(
        "DEPLOY-02",
        f"The prediction API refused version {version}.",
        why=reason,
        fix="The version before is live again. Train again; if it stays, report it with the API's log.",
        command="ml-pipeline run",
        status=502,
    )


def _cancelled() -> ProblemError:
    return ProblemError(
        "DEPLOY-08",
        "The deployment was cancelled.",
        why="The run was cancelled or its time was over.",
        fix="The version before is live. Promote the new one by hand if you want it.",
        status=409,
    )
