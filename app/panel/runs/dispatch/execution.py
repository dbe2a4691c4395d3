"""Executes one run: decides, does what was decided, and looks again, until the run has ended."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import ParamSpec, TypeVar

from app.panel.clock import Clock
from app.panel.db import patience
from app.panel.db.problems import UNAVAILABLE
from app.panel.logs.store import LogStore
from app.panel.notifier import Notifier
from app.panel.runs.dispatch.finish import finish_run
from app.panel.runs.dispatch.stage_runner import CancelToken, Outcome, StageRunner
from app.panel.runs.domain.active_runs import ActiveRuns, LiveState
from app.panel.runs.domain.decide import Decision, Finish, RunStage, Start, WaitUntil, decide, first_stage
from app.panel.runs.domain.interfaces import ModelVersions, Preparation
from app.panel.runs.domain.problems import MissingResultError
from app.panel.runs.domain.retry import RetryPolicy
from app.panel.runs.domain.reuse import copy_results, earlier_stages
from app.panel.runs.domain.run_columns import deploy_columns, run_columns
from app.panel.runs.domain.run_file import write_run_file
from app.panel.runs.domain.service import RUNS_TOPIC
from app.panel.runs.domain.state import AttemptState, RunState
from app.panel.runs.domain.store import LostRaceError, RunSnapshot, RunStore
from app.panel.runs.domain.tables import Run
from app.panel.settings import Settings
from pipeline.core.events import Level
from pipeline.core.params import Params
from pipeline.core.problems import ProblemError
from pipeline.core.stage import STAGE_TITLES, STAGES, StageContext, StageName

log = logging.getLogger(__name__)
T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDependencies:
    """The dependencies of every run. `preparation` is waited for before the first stage."""

    store: RunStore
    logs: LogStore
    active_runs: ActiveRuns
    notifier: Notifier
    stage_runners: Mapping[StageName, StageRunner]
    policy: RetryPolicy
    versions: ModelVersions
    preparation: Preparation
    settings: Settings
    clock: Clock


class RunExecution:
    """A run that is under way. `token` ends it early."""

    def __init__(self, run: Run, dependencies: RunDependencies) -> None:
        self.run_id = run.id
        self._number = run.number
        self.token = CancelToken()
        self._deps = dependencies
        self._is_ours = False
        self._started = dependencies.clock.monotonic()
        if run.started_at is not None:  # it continues after a restart of the panel
            self._started -= max(0.0, (dependencies.clock.now() - run.started_at).total_seconds())
        self._run_dir = (dependencies.settings.runs_dir / run.id).absolute()

    async def execute(self, fault: ProblemError | None = None) -> None:
        """Bring the run to a final state; a queued or retrying one stays so when the panel goes down.

        `fault` ends it as failed because the panel itself cannot continue it. Raises what the panel itself fails with.
        """
        with self._deps.notifier.subscribe(RUNS_TOPIC) as changed:  # before the run is read: no cancel is missed
            watching = asyncio.create_task(self._watch_for_cancel(changed))
            try:
                await self._execute(fault)
            finally:
                watching.cancel()

    async def _execute(self, fault: ProblemError | None) -> None:
        # Once is enough: no other run ends while this one is active.
        last_succeeded = await self._ask(self._deps.store.find_latest, RunState.SUCCEEDED, before=self._number)
        fell_back_at = await self._ask(self._deps.versions.fell_back_at)
        if last_succeeded is not None and fell_back_at is not None and last_succeeded.created_at < fell_back_at:
            last_succeeded = None  # its model is damaged: there is something to do although nothing has changed
        is_over = False
        while not is_over:
            snapshot = await self._ask(self._deps.store.snapshot, self.run_id)
            decision = decide(
                snapshot.run,
                snapshot.attempts,
                now=self._deps.clock.now(),
                policy=self._deps.policy,
                last_succeeded=last_succeeded,
                is_ours=self._is_ours,
                is_stopping=self.token.is_stopping,
                fault=fault,
            )
            with suppress(LostRaceError):  # it was cancelled meanwhile: decide again on what it is now
                is_over = not await self._perform(decision, snapshot)

    async def _perform(self, decision: Decision, snapshot: RunSnapshot) -> bool:
        """Do what was decided and return whether the run goes on."""
        run = snapshot.run
        match decision:
            case Start():
                await self._start(run)
            case RunStage(stage):
                await self._run_stage(run, stage)
            case WaitUntil(None):
                return False
            case WaitUntil(datetime() as at, reason, n_failures):
                await self._wait_until(at, snapshot, reason, n_failures)
            case Finish():
                await self._ask(
                    finish_run,
                    snapshot,
                    decision,
                    store=self._deps.store,
                    logs=self._deps.logs,
                    runs_dir=self._deps.settings.runs_dir,
                    clock=self._deps.clock,
                    duration_s=self._deps.clock.monotonic() - self._started,
                )
                self._deps.active_runs.remove(self.run_id)
                return False
        return True

    async def _start(self, run: Run) -> None:
        started_at = self._deps.clock.now()
        await self._log(run.from_stage, 0, f"Run {run.number} started ({run.trigger}).")
        await self._move(RunState.QUEUED, RunState.RUNNING, started_at=started_at)
        self._is_ours = True
        self._set_live_state(RunState.RUNNING, run.from_stage)
        await asyncio.to_thread(self._write_run_file)
        from_stage = first_stage(run)
        if run.parent_id is not None and from_stage != STAGES[0]:
            runs_dir = self._deps.settings.runs_dir
            try:
                columns = await asyncio.to_thread(copy_results, runs_dir, run.id, run.parent_id, from_stage)
            except FileNotFoundError as error:
                raise MissingResultError(from_stage) from error
            await self._ask(self._deps.store.reuse_attempts, run.id, earlier_stages(from_stage), **columns)
        await self.token.race(self._deps.preparation.wait())

    def _write_run_file(self) -> None:
        write_run_file(self._deps.settings.runs_dir, self._deps.store.snapshot(self.run_id))

    async def _run_stage(self, run: Run, stage: StageName) -> None:
        deps = self._deps
        if run.state == RunState.RETRYING:
            await self._move(RunState.RETRYING, RunState.RUNNING, retry_at=None)
        attempt = await self._ask(deps.store.begin_attempt, self.run_id, stage)
        self._is_ours = True
        self._set_live_state(RunState.RUNNING, stage, attempt)
        number = "" if attempt == 1 else f", attempt {attempt}"
        await self._log(stage, attempt, f"Stage “{STAGE_TITLES[stage]}” started{number}.")
        ctx = StageContext(
            run_id=self.run_id,
            stage=stage,
            attempt=attempt,
            params=Params.model_validate(run.params),
            data_dir=deps.settings.data_dir.absolute(),
            models_dir=deps.settings.models_dir.absolute(),
            run_dir=self._run_dir,
            version=await self._ask(self._next_version),
            max_table_cells=deps.settings.max_table_cells,
        )
        outcome = await deps.stage_runners[stage].run(ctx, self.token)
        await self._log(
            stage, attempt, f"Stage “{STAGE_TITLES[stage]}” {outcome.state} after {outcome.duration_s:.2f} s."
        )
        await self._ask(self._end_attempt, stage, attempt, outcome)

    def _next_version(self) -> int:
        """Return the number that a model of this run gets: higher than any that was ever given out. Sync."""
        return max(self._deps.versions.next_version(), self._deps.store.highest_version() + 1)

    def _end_attempt(self, stage: StageName, attempt: int, outcome: Outcome) -> None:
        columns: dict[str, object] = {}
        if outcome.state == AttemptState.SUCCEEDED:
            columns = {"n_failures": 0, **run_columns(self._run_dir, stage)}
        if outcome.deployed is not None:
            columns |= deploy_columns(outcome.deployed)
        self._deps.store.end_attempt(
            self.run_id,
            stage,
            attempt,
            outcome.state,
            duration_s=outcome.duration_s,
            compute_s=outcome.compute_s,
            error=None if outcome.problem is None else outcome.problem.as_dict(),
            run_columns=columns,
            reason=None if outcome.deployed is None else outcome.deployed.reason,
        )

    async def _wait_until(self, at: datetime, snapshot: RunSnapshot, reason: str, n_failures: int) -> None:
        """Wait until `at`, or for the token; record when the wait is over."""
        run, stage, attempt = snapshot.run, snapshot.stage, snapshot.attempt
        delay_s = max(0.0, (at - self._deps.clock.now()).total_seconds())
        due = self._deps.clock.monotonic() + delay_s  # a wall clock that jumps must not prolong it
        if run.state == RunState.RUNNING:
            await self._move(RunState.RUNNING, RunState.RETRYING, reason, retry_at=at, n_failures=n_failures)
            policy = self._deps.policy
            text = f"Stage “{STAGE_TITLES[stage]}” will be retried in {policy.delay_s:g} s "
            text += f"(retry {n_failures} of {policy.retries})."
            await self._log(stage, attempt, text, "warning")
        self._set_live_state(RunState.RETRYING, stage, attempt, at)
        while not self.token and (left_s := due - self._deps.clock.monotonic()) > 0:
            await self.token.wait_for(min(left_s, 1.0))
        if not self.token:
            await self._ask(self._deps.store.record, self.run_id, retry_at=None)

    async def _watch_for_cancel(self, changed: asyncio.Event) -> None:
        while not self.token.is_cancelled:
            await changed.wait()
            changed.clear()
            try:
                state = await asyncio.to_thread(self._deps.store.find_state, self.run_id)
            except Exception:
                log.exception("action=watch_for_cancel run_id=%s", self.run_id)
                await asyncio.sleep(patience.RETRY_S)
                changed.set()
                continue
            if state in {RunState.CANCELLING, RunState.CANCELLED}:
                self.token.cancel()

    async def _move(self, old: RunState, new: RunState, reason: str = "", **columns: object) -> None:
        await self._ask(self._deps.store.move, self.run_id, old, new, reason, **columns)

    async def _ask(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `call` returns in a thread, tried again while the database is away, unless the panel goes down.

        What a stage has done is not lost because its row could not be written at that moment.
        """
        while True:
            try:
                return await asyncio.to_thread(call, *args, **kwargs)
            except UNAVAILABLE as problem:
                log.warning("action=execute_run run_id=%s problem=%s", self.run_id, problem)
                if self.token.is_stopping:
                    raise
            await asyncio.sleep(patience.RETRY_S)

    def _set_live_state(self, state: RunState, stage: str, attempt: int = 0, retry_at: datetime | None = None) -> None:
        self._deps.active_runs.set_state(self.run_id, LiveState(str(state), stage, attempt, retry_at))

    async def _log(self, stage: str, attempt: int, text: str, level: Level = "info") -> None:
        line = (self._deps.clock.now(), stage, attempt, level, text)
        await asyncio.to_thread(self._deps.logs.append, self.run_id, [line])
        self._deps.active_runs.notify(self.run_id)
