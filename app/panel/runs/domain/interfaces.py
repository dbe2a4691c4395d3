"""What runs need from above and get injected in `main.py`: the deploy stage, the number of the next version."""

import threading
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from pipeline.core.events import Level
from pipeline.core.stage import StageContext, TrainResult


class StageLog(Protocol):
    """The verbs of `pipeline.core.events.Events` for a stage that runs inside the panel. Thread-safe."""

    def log(self, text: str, level: Level = "info") -> None:
        """A line of the run's log."""

    def warning(self, text: str) -> None:
        """A line that also counts as a warning of the run."""

    def progress(self, done: float, total: float, label: str = "") -> None:
        """How far the stage is; `done` and `total` in the same unit."""


class DeployResult(BaseModel):
    """What became of the bundle. `version` is its number, None where none was published; `reason` is one sentence."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int | None
    deployed: bool
    reason: str
    bundle: str | None


class Deploy(Protocol):
    """The fourth stage. Sync, called in a worker thread, bounded by a deadline of its own."""

    def __call__(self, ctx: StageContext, result: TrainResult, log: StageLog, stop: threading.Event) -> DeployResult:
        """Publish and switch, or say why not. Raises ProblemError. `stop.is_set()` means that the run is cancelled."""


class NextVersion(Protocol):
    """The number that the next model gets."""

    def __call__(self) -> int:
        """1 + the highest version that ever was. Sync."""
