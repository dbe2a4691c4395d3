"""Takes the one active run and executes it; then waits for the next. One task in the event loop."""

import asyncio
import logging

from app.panel.runs.dispatch.execution import Execution, Tools
from pipeline.core.problems import ProblemError

_log = logging.getLogger(__name__)
HEAL_S = 2.0  # how often a database that refuses to be written is asked again


class Executor:
    """`wake` and `cancel` may be called from any thread, the rest belongs to the event loop."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._loop: asyncio.AbstractEventLoop | None = None
        self._bell = asyncio.Event()
        self._current: Execution | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self) -> None:
        """Begin to work in the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._work(), name="executor")

    async def stop(self) -> None:
        """End the attempt that runs, with all its processes; its run becomes interrupted. Returns when that is done."""
        self._stopping = True
        self._bell.set()
        if self._current is not None:
            self._current.halt.stop()
        if self._task is not None:
            await self._task

    def wake(self) -> None:
        """There may be a run to execute."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._bell.set)

    def cancel(self, run_id: str) -> None:
        """The run has been moved to cancelling or cancelled: stop working on it."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._cancel, run_id)

    @property
    def busy(self) -> bool:
        """Whether a run is being executed."""
        return self._current is not None

    def _cancel(self, run_id: str) -> None:
        if self._current is not None and self._current.run_id == run_id:
            self._current.halt.cancel()

    async def _work(self) -> None:
        while not self._stopping:
            self._bell.clear()
            try:
                run = await asyncio.to_thread(self._tools.store.find_active)
            except Exception as error:  # noqa: BLE001 - whatever it is, runs must start again when it is over
                _complain("find_run", error)
                await asyncio.sleep(HEAL_S)
                self._bell.set()
                continue
            if run is None:
                await self._bell.wait()
                continue
            self._current = Execution(run, self._tools)
            try:
                await self._execute(self._current)
            finally:
                self._current = None

    async def _execute(self, execution: Execution) -> None:
        try:
            await execution.execute()
        except ProblemError as problem:
            await self._fail(execution, problem)
        except Exception as error:  # noqa: BLE001 - whatever it is, the run must end and the next one must be possible
            _log.exception("action=execute run_id=%s", execution.run_id)
            await self._fail(execution, _problem(error))

    async def _fail(self, execution: Execution, problem: ProblemError) -> None:
        """Write down that the run has failed, as often as it takes: until then nothing else can run."""
        while not self._stopping:
            try:
                await execution.fail(problem)
            except Exception as error:  # noqa: BLE001 - the task that starts all runs must not end
                _complain("fail_run", error)
                await asyncio.sleep(HEAL_S)
                if not await self._is_active(execution.run_id):
                    return
            else:
                return

    async def _is_active(self, run_id: str) -> bool:
        try:
            found = await asyncio.to_thread(self._tools.store.find_active)
        except Exception:  # noqa: BLE001 - unknown, so it is tried again
            return True
        return found is not None and found.id == run_id


def _complain(action: str, error: Exception) -> None:
    """A full disk is said in one line, since it is said again every two seconds; a fault with its traceback."""
    known = isinstance(error, ProblemError)
    _log.error("action=%s problem=%s", action, error, exc_info=None if known else error)


def _problem(error: Exception) -> ProblemError:
    if isinstance(error, ProblemError):
        return error
    return ProblemError(
        "RUN-16",
        "The panel could not go on with this run.",
        why=f"{type(error).__name__}: {' '.join(str(error).split())}"[:500],
        fix="This is a fault of the program; please report it with the panel's own output.",
    )
