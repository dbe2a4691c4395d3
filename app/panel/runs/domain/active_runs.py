"""The state of active runs that is shown and not stored, such as progress; followers of logs read it."""

import json
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from app.panel.logs.followers import log_topic
from app.panel.notifier import Notifier
from app.panel.runs.domain.queries import Progress
from app.panel.runs.domain.state import FINAL, RunState


@dataclass(frozen=True, slots=True)
class LiveState:
    """An active run now."""

    state: str
    stage: str | None = None
    attempt: int = 0
    retry_at: datetime | None = None
    progress: Progress | None = None

    def json(self) -> str:
        """Return it as JSON: state, stage, attempt, retry_at (ISO 8601 or null), progress (done, total, label or null)."""
        return json.dumps(asdict(self), default=lambda at: at.isoformat())


class ActiveRuns:
    """The state of active runs in memory, and whether others have ended. Thread-safe; implements `logs.tail.RunStates`."""

    def __init__(self, notifier: Notifier, find_state: Callable[[str], RunState | None]) -> None:
        self._notifier = notifier
        self._find_state = find_state
        self._lock = threading.Lock()
        self._version = 0
        self._states: dict[str, LiveState] = {}
        self._json: dict[str, tuple[int, str]] = {}

    def set_state(self, run_id: str, state: LiveState) -> None:
        """Record the state of an active run and wake its followers."""
        self._put(run_id, state)
        self._notifier.notify(log_topic(run_id))

    def notify(self, run_id: str) -> None:
        """Wake followers of this run: there are new lines."""
        self._notifier.notify(log_topic(run_id))

    def set_progress(self, run_id: str, progress: Progress | None) -> None:
        """Record how far the current stage is and wake followers of this run."""
        with self._lock:
            state = self._states.get(run_id)
        if state is not None:
            self._put(run_id, replace(state, progress=progress))
            self._notifier.notify(log_topic(run_id))

    def remove(self, run_id: str) -> None:
        """Remove the run, whose final state is committed and whose log is complete, and wake its followers."""
        with self._lock:
            self._states.pop(run_id, None)
            self._json.pop(run_id, None)
        self._notifier.notify(log_topic(run_id))

    def find(self, run_id: str) -> LiveState | None:
        """Return the state of an active run, or None."""
        with self._lock:
            return self._states.get(run_id)

    def find_progress(self, run_id: str, stage: str) -> Progress | None:
        """Return how far this stage of an active run is, if it has reported it."""
        state = self.find(run_id)
        return state.progress if state is not None and state.stage == stage else None

    def snapshot(self, run_id: str) -> tuple[int, str] | None:
        """See RunStates."""
        with self._lock:
            return self._json.get(run_id)

    def final_state(self, run_id: str) -> str | None:
        """See RunStates."""
        state = self._find_state(run_id)
        return str(state) if state in FINAL and self.find(run_id) is None else None

    def _put(self, run_id: str, state: LiveState) -> None:
        with self._lock:
            self._version += 1
            self._states[run_id] = state
            self._json[run_id] = (self._version, state.json())
