"""The log of one attempt, written inside the panel."""

from app.panel.clock import Clock
from app.panel.logs.store import LogStore
from app.panel.runs.domain.active_runs import ActiveRuns
from app.panel.runs.domain.queries import Progress
from pipeline.core.events import Level
from pipeline.core.stage import StageContext


class AttemptLog:
    """Implements `interfaces.StageLog`. Thread-safe."""

    def __init__(self, ctx: StageContext, logs: LogStore, active_runs: ActiveRuns, clock: Clock) -> None:
        self._ctx, self._logs, self._active_runs, self._clock = ctx, logs, active_runs, clock
        self._is_open = True

    def log(self, text: str, level: Level = "info") -> None:
        """See StageLog. Writes nothing once the attempt has ended."""
        if self._is_open:
            line = (self._clock.now(), str(self._ctx.stage), self._ctx.attempt, level, text)
            self._logs.append(self._ctx.run_id, [line])
            self._active_runs.notify(self._ctx.run_id)

    def warning(self, text: str) -> None:
        """See StageLog."""
        self.log(text, "warning")

    def progress(self, done: float, total: float, label: str = "") -> None:
        """See StageLog."""
        if self._is_open:
            self._active_runs.set_progress(self._ctx.run_id, Progress(done, total, label))

    def close(self) -> None:
        """Ignore whatever is written from now on: the attempt has ended."""
        self._is_open = False
