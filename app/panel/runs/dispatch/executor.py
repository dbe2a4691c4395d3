"""Executes the one active run, then waits for the next. One task in the event loop."""

import asyncio
import logging

from app.panel.db import patience
from app.panel.db.problems import UNAVAILABLE
from app.panel.runs.dispatch.execution import RunDependencies, RunExecution
from app.panel.runs.domain.attempt_problems import PanelFaultError
from app.panel.runs.domain.service import RUNS_TOPIC
from app.panel.runs.domain.state import FINAL
from pipeline.core.disk import disk_problem
from pipeline.core.problems import ProblemError

log = logging.getLogger(__name__)


class Executor:
    """Looks for a run whenever RUNS_TOPIC is notified. Event loop only."""

    def __init__(self, dependencies: RunDependencies) -> None:
        self._deps = dependencies
        self._current: RunExecution | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False

    async def start(self) -> None:
        """Begin to work in the running event loop."""
        self._task = asyncio.create_task(self._work(), name="executor")

    async def stop(self) -> None:
        """End the attempt that runs, with all its processes; its run becomes interrupted. Returns when that is done."""
        self._is_stopping = True
        self._deps.notifier.notify(RUNS_TOPIC)
        if self._current is not None:
            self._current.token.stop()
        if self._task is not None:
            await self._task

    @property
    def busy(self) -> bool:
        """Return True while a run is being executed."""
        return self._current is not None

    async def _work(self) -> None:
        with self._deps.notifier.subscribe(RUNS_TOPIC) as changed:
            while not self._is_stopping:
                changed.clear()
                try:
                    run = await asyncio.to_thread(self._deps.store.find_active)
                except Exception as error:  # noqa: BLE001 - whatever it is, runs must start again when it is over
                    _log_failure("find_run", error)
                    await asyncio.sleep(patience.RETRY_S)
                    continue
                if run is None:
                    await changed.wait()
                elif not self._is_stopping:  # asked again: `stop` ends only the run that it finds under way
                    self._current = RunExecution(run, self._deps)
                    try:
                        await self._execute(self._current)
                    finally:
                        self._current = None

    async def _execute(self, current: RunExecution) -> None:
        """Execute the run; what the panel itself fails with ends it, as soon as that can be written down."""
        fault: ProblemError | None = None
        while True:
            try:
                await current.execute(fault)
            except (
                UNAVAILABLE
            ) as problem:  # the run stays as it is: it continues, or the next start of the panel does it
                _log_failure("execute_run", problem)
            except Exception as error:
                if fault is None:
                    fault = error if isinstance(error, ProblemError) else self._fault(current.run_id, error)
                    if fault is not error:
                        log.exception("action=execute_run run_id=%s", current.run_id)
                    continue
                _log_failure("fail_run", error)
            else:
                return
            if self._is_stopping:
                return
            await asyncio.sleep(patience.RETRY_S)
            if await self._has_ended(current.run_id):
                self._deps.active_runs.remove(current.run_id)
                return

    def _fault(self, run_id: str, error: Exception) -> ProblemError:
        settings = self._deps.settings
        folders = (settings.runs_dir / run_id, settings.data_dir, settings.models_dir)
        return disk_problem(error, folders, "The run stopped") or PanelFaultError(error)

    async def _has_ended(self, run_id: str) -> bool:
        try:
            return await asyncio.to_thread(self._deps.store.find_state, run_id) in FINAL
        except Exception:  # noqa: BLE001 - unknown, so it is tried again
            return False


def _log_failure(action: str, error: Exception) -> None:
    """Log a full disk in one line, since it comes again every two seconds; a fault with its traceback."""
    is_known = isinstance(error, ProblemError)
    log.error("action=%s problem=%s", action, error, exc_info=None if is_known else error)
