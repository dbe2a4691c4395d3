"""Runs an attempt in a process of its own and follows what it writes."""

import asyncio
import logging
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from app.panel.clock import Clock
from app.panel.leftovers import clean_processed, clean_run
from app.panel.logs.store import LogStore
from app.panel.runs.dispatch.attempt_log import AttemptLog
from app.panel.runs.dispatch.stage_runner import CancelToken, Outcome
from app.panel.runs.domain.active_runs import ActiveRuns
from app.panel.runs.domain.attempt_problems import StageExitError, StageStartError, StageStartTimeoutError
from app.panel.runs.domain.queries import Progress
from app.panel.runs.domain.retry import ProcessExit, exit_problem
from app.panel.runs.domain.state import AttemptState
from app.panel.runs.stage_process.launcher import Launcher, StageProcess
from app.panel.runs.stage_process.output import StageOutput
from pipeline.core.disk import disk_problem, probe, stage_folders
from pipeline.core.disk_problems import DiskError, DiskFullError
from pipeline.core.problems import ProblemError
from pipeline.core.runner import EXIT_DISK, EXIT_OK
from pipeline.core.stage import STAGE_TITLES, StageContext, result_path
from pipeline.core.temporary import own_folder

log = logging.getLogger(__name__)
POLL_S: Final = 0.03
START_TIMEOUT_S: Final = 60.0  # its imports take seconds, on a busy machine many
REPORT_TIMEOUT_S: Final = 3.0  # how long the forkserver may take to say how a process has ended


class ProcessStageRunner:
    """Implements StageRunner: starts the process, ends it and all that it started when it must, reads its result."""

    def __init__(
        self, *, launcher: Launcher, logs: LogStore, active_runs: ActiveRuns, clock: Clock, timeout_s: float
    ) -> None:
        self._launcher, self._logs, self._active_runs, self._clock = launcher, logs, active_runs, clock
        self._timeout_s = timeout_s

    async def run(self, ctx: StageContext, token: CancelToken) -> Outcome:
        """See StageRunner."""
        with ExitStack() as stack:
            try:
                return await self._run(ctx, token, stack)
            finally:
                await asyncio.to_thread(stack.close)
                await asyncio.to_thread(_clean_up, ctx)

    async def _run(self, ctx: StageContext, token: CancelToken, stack: ExitStack) -> Outcome:
        started = self._clock.monotonic()
        path = ctx.run_dir / "attempts" / f"{ctx.stage}-{ctx.attempt}.out"
        try:
            # A result that an earlier attempt or run left must not be taken for this attempt's.
            await asyncio.to_thread(_remove, path, result_path(ctx.run_dir, ctx.stage))
            temporary = await asyncio.to_thread(stack.enter_context, own_folder())
            child = await self._spawn(ctx, path, temporary, token, started)
        except (OSError, EOFError, StageStartTimeoutError) as error:
            if token:
                return Outcome(token.attempt_state, self._since(started))
            problem = _start_problem(ctx, error)
            await self._log_problem(ctx, problem)
            return Outcome(AttemptState.FAILED, self._since(started), problem=problem)
        output = StageOutput(
            path, run_id=ctx.run_id, stage=ctx.stage, attempt=ctx.attempt, logs=self._logs, clock=self._clock
        )
        end = await self._follow(ctx, child, output, token, started)
        if end.exitcode == EXIT_DISK:
            refusal = await asyncio.to_thread(probe, path.parent)
            full = DiskFullError.of([ctx.run_dir], _doing(ctx))
            end = replace(end, disk=full if refusal is None else _disk_problem(ctx, refusal))
        with suppress(OSError):  # a read-only disk; the next start looks whether it is still the same process
            await asyncio.to_thread(_remove, Path(f"{path}.pid"))
        return await self._outcome(ctx, token, end, self._since(started), output.report.compute_s)

    async def _spawn(
        self, ctx: StageContext, path: Path, temporary: Path, token: CancelToken, started: float
    ) -> StageProcess:
        """Return the started process. Raises OSError, EOFError or StageStartTimeoutError; at once where the token is set.

        A forkserver that does not respond, because it was stopped or hangs, is replaced, and tried once more.
        """
        limit_s = min(START_TIMEOUT_S, self._timeout_s)
        for _ in range(2):
            timeout_s = min(limit_s, started + self._timeout_s - self._clock.monotonic())
            if timeout_s <= 0 or token:
                break
            spawning = asyncio.create_task(asyncio.to_thread(self._launcher.spawn, ctx, path, temporary))
            ending = asyncio.create_task(token.wait())
            both: set[asyncio.Future[Any]] = {spawning, ending}
            try:
                await asyncio.wait(both, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            finally:
                ending.cancel()
            if spawning.done():
                return spawning.result()
            log.warning("action=start_stage run_id=%s stage=%s result=no_response", ctx.run_id, ctx.stage)
            await asyncio.to_thread(self._launcher.restart)
            with suppress(OSError, EOFError):
                return await spawning  # it came at the last moment; what the forkserver had started has died with it
        raise StageStartTimeoutError(ctx.stage, limit_s)

    async def _follow(
        self, ctx: StageContext, child: StageProcess, output: StageOutput, token: CancelToken, started: float
    ) -> ProcessExit:
        """Return how the process ended, with all of its output in the log and nothing of it running."""
        waiting = asyncio.create_task(child.wait())
        ending = asyncio.create_task(token.wait())
        timed_out = is_unreported = False
        shown: Progress | None = None
        try:
            while not waiting.done():
                left_s = started + self._timeout_s - self._clock.monotonic()
                await asyncio.wait({waiting, ending}, timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)
                if ending.done() or left_s <= 0:
                    timed_out = not ending.done() and not waiting.done()
                    await child.end()
                    break
                if child.has_ended():
                    break
                if output.pending():
                    await asyncio.to_thread(output.poll)
                    self._active_runs.notify(ctx.run_id)
                    if output.report.progress is not shown:
                        shown = output.report.progress
                        self._active_runs.set_progress(ctx.run_id, shown)
        finally:
            ending.cancel()
            if not waiting.done():  # whatever went wrong here, the stage must not go on unwatched
                await child.end()
            await asyncio.wait({waiting}, timeout=REPORT_TIMEOUT_S)
            if not waiting.done():  # the forkserver hangs: it will never say how the process has ended
                is_unreported = True
                await asyncio.to_thread(child.kill_descendants)
                await asyncio.to_thread(self._launcher.restart)
            exitcode = await waiting
            await asyncio.to_thread(child.kill_descendants)
        await asyncio.to_thread(output.finish)
        self._active_runs.notify(ctx.run_id)
        child.close()
        report = output.report
        if is_unreported and report.compute_s is not None and report.error is None:
            exitcode = EXIT_OK  # its own last line says that it had finished
        memory_bytes = self._launcher.memory_bytes
        return ProcessExit(exitcode, timed_out, self._timeout_s, report.error, report.out_of_memory, memory_bytes)

    async def _outcome(
        self, ctx: StageContext, token: CancelToken, end: ProcessExit, duration_s: float, compute_s: float | None
    ) -> Outcome:
        has_finished = end.exitcode == EXIT_OK and result_path(ctx.run_dir, ctx.stage).exists()
        if token and not has_finished:
            return Outcome(token.attempt_state, duration_s, compute_s)
        problem = exit_problem(ctx.stage, end)
        if problem is None and not has_finished:
            problem = StageExitError(ctx.stage, None)
        if problem is None:
            return Outcome(AttemptState.SUCCEEDED, duration_s, compute_s)
        if end.timed_out or end.reported is None:  # it could not report the problem itself
            await self._log_problem(ctx, problem)
        return Outcome(AttemptState.FAILED, duration_s, compute_s, problem)

    async def _log_problem(self, ctx: StageContext, problem: ProblemError) -> None:
        attempt_log = AttemptLog(ctx, self._logs, self._active_runs, self._clock)
        await asyncio.to_thread(attempt_log.log, str(problem), "error")

    def _since(self, started: float) -> float:
        return round(self._clock.monotonic() - started, 4)


def _start_problem(ctx: StageContext, error: OSError | EOFError | StageStartTimeoutError) -> ProblemError:
    """Return why the process could not be started."""
    if isinstance(error, ProblemError):
        return error
    return _disk_problem(ctx, error) or StageStartError(ctx.stage, error)


def _disk_problem(ctx: StageContext, error: BaseException) -> DiskError | None:
    folders = stage_folders(ctx.data_dir, ctx.models_dir, ctx.run_dir)
    return disk_problem(error, folders, _doing(ctx))


def _doing(ctx: StageContext) -> str:
    return f"Stage “{STAGE_TITLES[ctx.stage]}” stopped"


def _clean_up(ctx: StageContext) -> None:
    """Remove what a stage that did not end by itself had in progress."""
    clean_run(ctx.run_dir)
    clean_processed(ctx.data_dir)


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
