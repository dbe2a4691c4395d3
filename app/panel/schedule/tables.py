"""The table of the schedule: one row."""

from datetime import datetime

from sqlmodel import Field, SQLModel


class Schedule(SQLModel, table=True):
    """State of the schedule. `armed` from the first run on; `next_due_at` None while paused."""

    id: int = Field(default=1, primary_key=True)
    interval_s: int | None = None  # None until changed by a person: the setting CYCLE_INTERVAL_S
    armed: bool = False
    paused: bool = False
    paused_by: str | None = None
    paused_at: datetime | None = None
    next_due_at: datetime | None = None
