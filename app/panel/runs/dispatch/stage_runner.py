"""The one way in which stages are run, wherever they run: a context and a cancel token in, an outcome back."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from app.panel.runs.domain.interfaces import DeployResult
from app.panel.runs.domain.state import AttemptState
from pipeline.core.problems import ProblemError
from pipeline.core.stage import StageContext


class CancelToken:
    """Tells an attempt that it must end early, and why. Event loop only."""

    def __init__(self) -> None:
        self.is_cancelled = False
        self.is_stopping = False
        self._event = asyncio.Event()

    def cancel(self) -> None:
        """Record that somebody has cancelled the run."""
        self.is_cancelled = True
        self._event.set()

    def stop(self) -> None:
        """Record that the panel is going down."""
        self.is_stopping = True
        self._event.set()

    def __bool__(self) -> bool:
        """Return True if the attempt must end."""
        return self.is_cancelled or self.is_stopping

    async def wait(self) -> None:
        """Return when the attempt must end."""
        await self._event.wait()

    async def wait_for(self, timeout_s: float) -> None:
        """Return when the attempt must end, or after `timeout_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._event.wait()

    async def race(self, work: Awaitable[None]) -> None:
        """Return when `work` is done or the attempt must end, whichever comes first; `work` is then cancelled."""
        working, ending = asyncio.ensure_future(work), asyncio.ensure_future(self.wait())
        done, pending = await asyncio.wait({working, ending}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        for task in done:
            task.result()

    @property
    def attempt_state(self) -> AttemptState:
        """Return the state of an attempt that ended because of this token."""
        return AttemptState.CANCELLED if self.is_cancelled else AttemptState.INTERRUPTED


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of an attempt: `problem` where it failed, `deployed` where deploy succeeded."""

    state: AttemptState
    duration_s: float
    compute_s: float | None = None
    problem: ProblemError | None = None
    deployed: DeployResult | None = None


class StageRunner(Protocol):
    """Runs attempts of stages."""

    async def run(self, ctx: StageContext, token: CancelToken) -> Outcome:
        """Return the outcome of the attempt that `ctx` describes. Never raises for what the stage does."""
