"""Runs deploy in a thread of the panel: it needs the panel's services and its database."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Final

from app.panel.clock import Clock
from app.panel.logs.store import LogStore
from app.panel.runs.dispatch.attempt_log import AttemptLog
from app.panel.runs.dispatch.stage_runner import CancelToken, Outcome
from app.panel.runs.domain.active_runs import ActiveRuns
from app.panel.runs.domain.attempt_problems import DeployFaultError, StageTimeoutError
from app.panel.runs.domain.interfaces import Deploy, DeployResult
from app.panel.runs.domain.state import AttemptState
from pipeline.core.disk import disk_problem, stage_folders
from pipeline.core.problems import ProblemError
from pipeline.core.stage import STAGE_TITLES, StageContext, TrainResult, read_result

STOP_GRACE_S: Final = 8.0  # how long a deploy that was asked to stop may take to clean up


class ThreadStageRunner:
    """Implements StageRunner for deploy."""

    def __init__(
        self, deploy: Deploy, *, logs: LogStore, active_runs: ActiveRuns, clock: Clock, timeout_s: float
    ) -> None:
        self._deploy = deploy
        self._logs, self._active_runs, self._clock = logs, active_runs, clock
        self._timeout_s = timeout_s

    async def run(self, ctx: StageContext, token: CancelToken) -> Outcome:
        """See StageRunner."""
        started = self._clock.monotonic()
        stop = threading.Event()
        log = AttemptLog(ctx, self._logs, self._active_runs, self._clock)

        def deploy() -> DeployResult:
            return self._deploy(ctx, read_result(ctx.run_dir, "train_model", TrainResult), log, stop)

        deploying = _in_daemon_thread(deploy)
        ending = asyncio.create_task(token.wait())
        try:
            both: set[asyncio.Future[Any]] = {deploying, ending}
            await asyncio.wait(both, timeout=self._timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if not deploying.done():
                stop.set()
                await asyncio.wait({deploying}, timeout=STOP_GRACE_S)
        finally:
            ending.cancel()
        duration_s = round(self._clock.monotonic() - started, 4)
        error = deploying.exception() if deploying.done() else StageTimeoutError(ctx.stage, self._timeout_s)
        if error is None:
            log.close()
            return Outcome(AttemptState.SUCCEEDED, duration_s, duration_s, deployed=deploying.result())
        problem = None if token else _problem(ctx, error)
        if problem is not None:
            await asyncio.to_thread(log.log, str(problem), "error")
        log.close()
        state = token.attempt_state if problem is None else AttemptState.FAILED
        return Outcome(state, duration_s, problem=problem)


def _problem(ctx: StageContext, error: BaseException) -> ProblemError:
    if isinstance(error, ProblemError):
        return error
    folders = stage_folders(ctx.data_dir, ctx.models_dir, ctx.run_dir)
    return disk_problem(error, folders, f"Stage “{STAGE_TITLES[ctx.stage]}” stopped") or DeployFaultError(error)


def _in_daemon_thread(call: Callable[[], DeployResult]) -> "asyncio.Future[DeployResult]":
    """Return the future result of `call`. A daemon thread: one that hangs must not keep the panel from going down."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[DeployResult] = loop.create_future()

    def set_outcome(result: DeployResult | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        elif result is not None:
            future.set_result(result)

    def run() -> None:
        result: DeployResult | None = None
        error: BaseException | None = None
        try:
            result = call()
        except BaseException as raised:  # noqa: BLE001 - carried over to the loop, whatever it is
            error = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(set_outcome, result, error)

    threading.Thread(target=run, name="deploy", daemon=True).start()
    return future
