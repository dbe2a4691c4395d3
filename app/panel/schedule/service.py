"""What can be done with the schedule: look, pause, resume, change the interval."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """The schedule now. `next_due_at` and `due_in_s` are None while it is not armed (before the first run) or paused."""

    interval_s: int
    armed: bool
    paused: bool
    paused_by: str | None
    paused_at: datetime | None
    next_due_at: datetime | None
    due_in_s: float | None


class ScheduleService:
    """The verbs. Sync and thread-safe; idempotent."""

    def view(self) -> ScheduleView:
        """The schedule now."""
        raise NotImplementedError

    def pause(self, *, requested_by: str) -> ScheduleView:
        """No scheduled run until it is resumed; a running one goes on."""
        raise NotImplementedError

    def resume(self, *, requested_by: str) -> ScheduleView:
        """The next scheduled run is due one interval from now. Arms the schedule."""
        raise NotImplementedError

    def set_interval(self, interval_s: int, *, requested_by: str) -> ScheduleView:
        """Change the interval; the next run is due one new interval from now. Raises ProblemError RUN-06 (422)."""
        raise NotImplementedError
