"""The interfaces that runs need from the layers above; `main.py` provides them."""

import threading
from datetime import datetime
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from pipeline.core.events import Level
from pipeline.core.stage import StageContext, TrainResult


class StageLog(Protocol):
    """The verbs of `pipeline.core.events.Events` for a stage that runs inside the panel. Thread-safe."""

    def log(self, text: str, level: Level = "info") -> None:
        """Write a line to the run's log."""

    def warning(self, text: str) -> None:
        """Write a line that also counts as a warning of the run."""

    def progress(self, done: float, total: float, label: str = "") -> None:
        """Record how far the stage is; `done` and `total` in the same unit."""


class DeployResult(BaseModel):
    """The result of deploy. `version` is the bundle's number, None if none was published; `reason` is one sentence."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int | None
    deployed: bool
    reason: str
    bundle: str | None


class Deploy(Protocol):
    """The fourth stage. Sync, called in a thread of its own."""

    def __call__(self, ctx: StageContext, result: TrainResult, log: StageLog, stop: threading.Event) -> DeployResult:
        """Publish and activate the bundle, or return why not. Raises ProblemError. `stop` is set when it must end early."""


class ModelVersions(Protocol):
    """The numbers of published models."""

    def next_version(self) -> int:
        """Return 1 + the highest version that was ever published. Sync."""

    def fell_back_at(self) -> datetime | None:
        """Return when an earlier version took the place of a damaged one that was live; None if it does no longer. Sync."""


class Preparation(Protocol):
    """Work that may still be going on when the first run starts, such as writing the sample table."""

    async def wait(self) -> None:
        """Return when a run may begin."""


class Armable(Protocol):
    """The schedule, as far as the start of a run concerns it."""

    def arm(self) -> None:
        """Begin to schedule runs; no-op if it has begun. Sync."""
