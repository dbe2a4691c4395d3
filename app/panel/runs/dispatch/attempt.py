"""One attempt of one stage, from start to its end, whichever end: done, failed, timed out, cancelled, interrupted."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.panel.clock import Clock
from app.panel.logs.store import LogStore
from app.panel.runs.domain.active_runs import ActiveRuns
from app.panel.runs.domain.interfaces import Deploy, DeployResult
from app.panel.runs.domain.queries import Progress
from app.panel.runs.domain.retry import Exit, failure
from app.panel.runs.domain.state import AttemptState
from app.panel.runs.stage_process.launcher import Launcher
from app.panel.runs.stage_process.output import StageOutput
from pipeline.core.events import Level
from pipeline.core.problems import ProblemError
from pipeline.core.runner import disk_full, is_disk_full
from pipeline.core.stage import StageContext, TrainResult, read_result, result_path

POLL_S: Final = 0.03
DEPLOY_STOP_GRACE_S: Final = 8.0  # how long a deploy that was told to stop may take to leave things tidy


class Halt:
    """Why an attempt must end before it is done. Belongs to the event loop."""

    def __init__(self) -> None:
        self.cancelled = False
        self.stopping = False
        self._event = asyncio.Event()

    def cancel(self) -> None:
        """A person has cancelled the run."""
        self.cancelled = True
        self._event.set()

    def stop(self) -> None:
        """The panel goes down."""
        self.stopping = True
        self._event.set()

    def __bool__(self) -> bool:
        """Whether there is a reason."""
        return self.cancelled or self.stopping

    async def wait(self) -> None:
        """Return when there is a reason."""
        await self._event.wait()

    @property
    def state(self) -> AttemptState:
        """How an attempt that was halted has ended."""
        return AttemptState.CANCELLED if self.cancelled else AttemptState.INTERRUPTED


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended; `problem` where it failed, `deployed` where the stage was deploy and it did not."""

    state: AttemptState
    duration_s: float
    compute_s: float | None = None
    problem: ProblemError | None = None
    deployed: DeployResult | None = None


class AttemptRunner:
    """Runs attempts: stages in processes, deploy in a thread."""

    def __init__(
        self,
        *,
        launcher: Launcher,
        deploy: Deploy,
        logs: LogStore,
        live: ActiveRuns,
        clock: Clock,
        timeout_s: float,
    ) -> None:
        self._launcher = launcher
        self._deploy = deploy
        self._logs, self._live, self._clock = logs, live, clock
        self._timeout_s = timeout_s

    async def run(self, ctx: StageContext, halt: Halt) -> Outcome:
        """The outcome of `ctx`. Never raises for what the stage does."""
        started = self._clock.monotonic()
        if ctx.stage == "deploy":
            return await self._in_thread(ctx, halt, started)
        return await self._in_process(ctx, halt, started)

    async def _in_process(self, ctx: StageContext, halt: Halt, started: float) -> Outcome:
        path = ctx.run_dir / "attempts" / f"{ctx.stage}-{ctx.attempt}.out"
        # A result that an earlier attempt or run left must not be taken for this attempt's.
        await asyncio.to_thread(_clear, path, result_path(ctx.run_dir, ctx.stage))
        output = StageOutput(
            path, run_id=ctx.run_id, stage=ctx.stage, attempt=ctx.attempt, logs=self._logs, clock=self._clock
        )
        try:
            child = await asyncio.to_thread(self._launcher.spawn, ctx, path)
        except (OSError, EOFError) as error:
            problem = (
                disk_full(ctx.stage)
                if is_disk_full(error)
                else ProblemError(
                    "RUN-14",
                    f"The process of stage {ctx.stage} could not be started.",
                    why=f"{error}.",
                    fix="Free memory, or raise the limit of processes.",
                    command="ulimit -u",
                    retryable=True,
                )
            )
            return await self._failed(ctx, problem, self._since(started))
        waiting = asyncio.create_task(child.wait())
        halting = asyncio.create_task(halt.wait())
        try:
            timed_out = False
            shown: Progress | None = None
            while not waiting.done():
                left_s = started + self._timeout_s - self._clock.monotonic()
                await asyncio.wait({waiting, halting}, timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)
                if halting.done() or left_s <= 0:
                    timed_out = not halting.done() and not waiting.done()
                    await child.end()
                    break
                if output.pending():
                    await asyncio.to_thread(output.poll)
                    self._live.ring(ctx.run_id)
                    if output.report.progress is not shown:
                        shown = output.report.progress
                        self._live.progress(ctx.run_id, shown)
        finally:
            halting.cancel()
            if not waiting.done():  # whatever went wrong here, the stage must not go on unwatched
                await child.end()
            exitcode = await waiting
            await asyncio.to_thread(child.kill_descendants)
        await asyncio.to_thread(output.finish)
        await asyncio.to_thread(_clear, Path(f"{path}.pid"))
        self._live.ring(ctx.run_id)
        child.close()
        return await self._judge(
            ctx, halt, Exit(exitcode, timed_out, self._timeout_s, output.report.error), started, output
        )

    async def _judge(self, ctx: StageContext, halt: Halt, end: Exit, started: float, output: StageOutput) -> Outcome:
        compute_s = output.report.compute_s
        finished = end.exitcode == 0 and result_path(ctx.run_dir, ctx.stage).exists()
        if halt and not finished:
            return Outcome(halt.state, self._since(started), compute_s)
        problem = failure(ctx.stage, end)
        if problem is None and not finished:
            problem = failure(ctx.stage, Exit(None, timed_out=False, timeout_s=self._timeout_s, reported=None))
        state = AttemptState.SUCCEEDED if problem is None else AttemptState.FAILED
        if problem is not None and (end.timed_out or end.reported is None):  # it could not say so itself
            await asyncio.to_thread(self._log_of(ctx).log, str(problem), "error")
        return Outcome(state, self._since(started), compute_s, problem)

    async def _in_thread(self, ctx: StageContext, halt: Halt, started: float) -> Outcome:
        stop = threading.Event()
        log = self._log_of(ctx)
        result = await asyncio.to_thread(read_result, ctx.run_dir, "train_model", TrainResult)
        deploying = _in_daemon_thread(lambda: self._deploy(ctx, result, log, stop))
        halting = asyncio.create_task(halt.wait())
        try:
            both: set[asyncio.Future[Any]] = {deploying, halting}
            await asyncio.wait(both, timeout=self._timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if not deploying.done():
                stop.set()
                await asyncio.wait({deploying}, timeout=DEPLOY_STOP_GRACE_S)
        finally:
            halting.cancel()
        log.close()
        duration_s = self._since(started)
        if not deploying.done():
            if halt:
                return Outcome(halt.state, duration_s)
            late = Exit(None, timed_out=True, timeout_s=self._timeout_s, reported=None)
            return await self._failed(ctx, failure("deploy", late), duration_s)
        error = deploying.exception()
        if error is None:
            return Outcome(AttemptState.SUCCEEDED, duration_s, duration_s, deployed=deploying.result())
        if halt:
            return Outcome(halt.state, duration_s)
        return await self._failed(ctx, _deploy_problem(error), duration_s)

    async def _failed(self, ctx: StageContext, problem: ProblemError | None, duration_s: float) -> Outcome:
        await asyncio.to_thread(self._log_of(ctx).log, str(problem), "error")
        return Outcome(AttemptState.FAILED, duration_s, problem=problem)

    def _log_of(self, ctx: StageContext) -> "RunLog":
        return RunLog(ctx, self._logs, self._live, self._clock)

    def _since(self, started: float) -> float:
        return round(self._clock.monotonic() - started, 4)


class RunLog:
    """The log of one attempt inside the panel; implements `ports.StageLog`. Thread-safe."""

    def __init__(self, ctx: StageContext, logs: LogStore, live: ActiveRuns, clock: Clock) -> None:
        self._ctx, self._logs, self._live, self._clock = ctx, logs, live, clock
        self._open = True

    def log(self, text: str, level: Level = "info") -> None:
        """See StageLog. After the attempt has ended nothing is written any more."""
        if self._open:
            line = (self._clock.now(), str(self._ctx.stage), self._ctx.attempt, level, text)
            self._logs.append(self._ctx.run_id, [line])
            self._live.ring(self._ctx.run_id)

    def warning(self, text: str) -> None:
        """See StageLog."""
        self.log(text, "warning")

    def progress(self, done: float, total: float, label: str = "") -> None:
        """See StageLog."""
        if self._open:
            self._live.progress(self._ctx.run_id, Progress(done, total, label))

    def close(self) -> None:
        """The attempt has ended."""
        self._open = False


def _deploy_problem(error: BaseException) -> ProblemError:
    if isinstance(error, ProblemError):
        return error
    text = " ".join(str(error).split())
    return ProblemError(
        "RUN-15",
        f"Stage deploy failed: {type(error).__name__}: {text}"[:500],
        why="This is a fault of the program, not of your data. The live model was not changed by it.",
        fix="Please report it with the lines of the panel's own output.",
        retryable=True,
    )


def _clear(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _in_daemon_thread(call: Callable[[], DeployResult]) -> "asyncio.Future[DeployResult]":
    """The future result of `call`. A daemon thread: one that hangs must not keep the panel from going down."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[DeployResult] = loop.create_future()

    def finish(result: DeployResult | None, error: BaseException | None) -> None:
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
            loop.call_soon_threadsafe(finish, result, error)

    threading.Thread(target=run, name="deploy", daemon=True).start()
    return future
