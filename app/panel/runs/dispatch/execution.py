"""One run from its first stage to its final state. What decides is pure and elsewhere; this moves, logs and waits."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from app.panel.clock import Clock
from app.panel.logs.store import LogStore
from app.panel.runs.dispatch.attempt import AttemptRunner, Halt, Outcome
from app.panel.runs.domain.active_runs import ActiveRuns, LiveState
from app.panel.runs.domain.interfaces import NextVersion
from app.panel.runs.domain.retry import RetryPolicy
from app.panel.runs.domain.reuse import copy_results, nothing_to_continue
from app.panel.runs.domain.run_columns import deploy_columns, is_unchanged, no_change, run_columns
from app.panel.runs.domain.state import AttemptState, RunState
from app.panel.runs.domain.store import LostRaceError, RunStore
from app.panel.runs.domain.tables import Run
from app.panel.settings import Settings
from pipeline.core.events import Level
from pipeline.core.params import Params
from pipeline.core.problems import ProblemError
from pipeline.core.stage import STAGES, StageContext, StageName


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What every run needs. `prepare` is awaited before the first stage (the built-in table may still be written)."""

    store: RunStore
    logs: LogStore
    live: ActiveRuns
    attempts: AttemptRunner
    policy: RetryPolicy
    next_version: NextVersion
    prepare: Callable[[], Awaitable[None]]
    settings: Settings
    clock: Clock


class Execution:
    """A run that is under way. `halt` ends it early."""

    def __init__(self, run: Run, tools: Tools) -> None:
        self.run_id = run.id
        self.halt = Halt()
        self._run, self._tools = run, tools
        self._state = RunState(run.state)
        if self._state == RunState.CANCELLING:  # nothing is left to do but to say so
            self.halt.cancel()
        self._started = tools.clock.monotonic()
        if run.started_at is not None:  # it goes on after a restart of the panel
            self._started -= max(0.0, (tools.clock.now() - run.started_at).total_seconds())
        self._stage: StageName = _stage_name(run.stage or run.from_stage)
        self._attempt = 0

    async def execute(self) -> None:
        """Bring the run to a final state; a retrying one stays so when the panel goes down."""
        try:
            if self._state == RunState.QUEUED:
                await self._log(f"Run {self._run.number} started ({self._run.trigger}).")
                await self._move(RunState.RUNNING, started_at=self._tools.clock.now())
                await self._prepare()
            elif self._state == RunState.RETRYING:
                await self._wait_for_retry(self._left_s())
            if self._state != RunState.RETRYING:
                await self._stages()
            if self.halt:
                await self._halted()
        except LostRaceError:
            await self._halted()

    async def fail(self, problem: ProblemError) -> None:
        """End the run because the panel itself could not go on with it. Raises where the database still refuses."""
        run = await asyncio.to_thread(self._tools.store.get, self.run_id)
        self._state = RunState(run.state)
        if self._state == RunState.CANCELLING:
            await self._finish(RunState.CANCELLED, run.reason)
        elif not self._state.is_final:
            await asyncio.to_thread(self._tools.store.interrupt_attempts, self.run_id)
            await self._finish(RunState.FAILED, problem.what, error=problem.as_dict())

    async def _prepare(self) -> None:
        parent_id = self._run.parent_id
        if parent_id is not None and self._stage != STAGES[0]:
            runs_dir = self._tools.settings.runs_dir
            try:
                await asyncio.to_thread(copy_results, self._tools.store, runs_dir, self._run, parent_id, self._stage)
            except FileNotFoundError as error:
                raise nothing_to_continue(self._stage) from error
        await self._halting(self._tools.prepare())

    async def _stages(self) -> None:
        for stage in STAGES[STAGES.index(self._stage) :]:
            self._stage = stage
            outcome = await self._until_done(stage)
            if outcome is None or self.halt:
                return
            facts = await asyncio.to_thread(run_columns, self._run_dir, stage)
            if stage == "set_seed":
                last = await asyncio.to_thread(
                    self._tools.store.find_latest, RunState.SUCCEEDED, before=self._run.number
                )
                if last is not None and is_unchanged(self._run, facts, last):
                    verdict = no_change(last)
                    await self._log(verdict["reason"])
                    await self._finish(RunState.SUCCEEDED, verdict["reason"], verdict=verdict)
                    return
            if outcome.deployed is not None:
                await self._finish(RunState.SUCCEEDED, outcome.deployed.reason)

    async def _until_done(self, stage: StageName) -> Outcome | None:
        """The outcome of the attempt that succeeded; None if the run has ended or must."""
        while not self.halt:
            outcome = await self._attempt_once(stage)
            if outcome.state == AttemptState.SUCCEEDED:
                return outcome
            if outcome.problem is None:
                return None
            failures = self._run.n_failures = self._run.n_failures + 1
            delay_s = self._tools.policy.delay_after(outcome.problem, failures)
            if delay_s is None:
                await self._finish(RunState.FAILED, outcome.problem.what, error=outcome.problem.as_dict())
                return None
            due = self._tools.clock.now() + timedelta(seconds=delay_s)
            await self._move(RunState.RETRYING, outcome.problem.what, retry_at=due, n_failures=failures)
            await self._log(
                f"Stage {stage} is tried again in {delay_s:g} s ({failures} of {self._tools.policy.retries}).",
                "warning",
            )
            await self._wait_for_retry(delay_s)
        return None

    async def _attempt_once(self, stage: StageName) -> Outcome:
        tools = self._tools
        self._attempt = await asyncio.to_thread(tools.store.begin_attempt, self.run_id, stage)
        self._show()
        await self._log(
            f"Stage {stage} started." if self._attempt == 1 else f"Stage {stage} started, attempt {self._attempt}."
        )
        ctx = StageContext(
            run_id=self.run_id,
            stage=stage,
            attempt=self._attempt,
            params=Params.model_validate(self._run.params),
            data_dir=tools.settings.data_dir.absolute(),
            models_dir=tools.settings.models_dir.absolute(),
            run_dir=self._run_dir,
            version=await asyncio.to_thread(tools.next_version),
        )
        outcome = await tools.attempts.run(ctx, self.halt)
        await self._end_attempt(stage, outcome)
        return outcome

    async def _end_attempt(self, stage: StageName, outcome: Outcome) -> None:
        facts: dict[str, Any] = {}
        if outcome.state == AttemptState.SUCCEEDED:
            facts = {"n_failures": 0, **await asyncio.to_thread(run_columns, self._run_dir, stage)}
            self._run.n_failures = 0
            if outcome.deployed is not None:
                facts |= deploy_columns(outcome.deployed)
        await self._log(f"Stage {stage} {outcome.state} after {outcome.duration_s:.2f} s.")
        await asyncio.to_thread(
            self._tools.store.end_attempt,
            self.run_id,
            stage,
            self._attempt,
            outcome.state,
            duration_s=outcome.duration_s,
            compute_s=outcome.compute_s,
            error=None if outcome.problem is None else outcome.problem.as_dict(),
            run_facts=facts,
        )

    async def _wait_for_retry(self, delay_s: float) -> None:
        self._show()
        due = self._tools.clock.monotonic() + delay_s
        while not self.halt and (left_s := due - self._tools.clock.monotonic()) > 0:
            await self._halting(asyncio.sleep(min(left_s, 1.0)))
        if not self.halt:
            await self._move(RunState.RUNNING, retry_at=None)

    def _left_s(self) -> float:
        """Seconds until the stored due time, never more than the delay: the wall clock may have jumped."""
        if self._run.retry_at is None:
            return 0.0
        left_s = (self._run.retry_at - self._tools.clock.now()).total_seconds()
        return min(max(left_s, 0.0), self._tools.policy.delay_s)

    async def _halted(self) -> None:
        """Give a cancelled or interrupted run its final state."""
        run = await asyncio.to_thread(self._tools.store.get, self.run_id)
        self._state = RunState(run.state)
        if self._state == RunState.CANCELLING:
            reason = run.reason
            if run.deployed:
                reason += f" Model version {run.model_version} had gone live before."
            await self._finish(RunState.CANCELLED, reason)
        elif self._state == RunState.RUNNING and self.halt.stopping:
            await self._finish(RunState.INTERRUPTED, "The panel was stopped while this run was under way.")
        elif self._state == RunState.CANCELLED:  # while it waited
            await asyncio.to_thread(self._tools.store.record, self.run_id, **await self._totals())
            await self._end(self._state, run.reason)

    async def _finish(self, state: RunState, reason: str, **facts: object) -> None:
        try:
            await self._move(state, reason, **await self._totals(), **facts)
        except LostRaceError:
            if state in {RunState.CANCELLED, RunState.INTERRUPTED}:
                raise
            self.halt.cancel()  # the user's word wins over a late end
            return
        await self._end(state, reason)

    async def _totals(self) -> dict[str, object]:
        counts = await asyncio.to_thread(self._tools.logs.counts, self.run_id)
        duration_s = round(self._tools.clock.monotonic() - self._started, 3)
        return {"duration_s": duration_s, "n_warnings": counts.n_warnings, "n_errors": counts.n_errors}

    async def _end(self, state: RunState, reason: str) -> None:
        level: Level = "error" if state == RunState.FAILED else "info"
        await self._log(f"Run {self._run.number} {state}. {reason}".rstrip(), level)
        await asyncio.to_thread(self._tools.logs.close, self.run_id)
        self._tools.live.end(self.run_id)

    async def _move(self, state: RunState, reason: str = "", **facts: object) -> None:
        await asyncio.to_thread(self._tools.store.move, self.run_id, self._state, state, reason, **facts)
        self._state = state
        if state == RunState.RETRYING:
            due = facts["retry_at"]
            self._run.retry_at = due if isinstance(due, datetime) else None
        elif not state.is_final:
            self._run.retry_at = None
            self._show()

    async def _halting(self, work: Awaitable[None]) -> None:
        """Wait for `work` or a reason to halt, whichever comes first."""
        tasks = {asyncio.ensure_future(work), asyncio.ensure_future(self.halt.wait())}
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        for task in done:
            task.result()

    def _show(self) -> None:
        self._tools.live.show(
            self.run_id,
            LiveState(str(self._state), self._stage, self._attempt, self._run.retry_at),
        )

    async def _log(self, text: str, level: Level = "info") -> None:
        line = (self._tools.clock.now(), str(self._stage), self._attempt, level, text)
        await asyncio.to_thread(self._tools.logs.append, self.run_id, [line])
        self._tools.live.ring(self.run_id)

    @property
    def _run_dir(self) -> Path:
        return (self._tools.settings.runs_dir / self.run_id).absolute()


def _stage_name(name: str) -> StageName:
    return next(stage for stage in STAGES if stage == name)
