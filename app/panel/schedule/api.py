"""The schedule as JSON."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app.panel.schedule.problems import MAX_INTERVAL_S
from app.panel.schedule.service import ScheduleService, ScheduleView
from app.web.dependencies import provided

router = APIRouter(prefix="/api/v1/schedule", tags=["schedule"])
ACTOR = "api"
Schedule = Annotated[ScheduleService, provided(ScheduleService)]


class ScheduleChange(BaseModel):
    """The members to change; others stay as they are."""

    model_config = ConfigDict(extra="forbid", strict=True)

    paused: bool | None = None
    interval_s: int | None = Field(None, ge=1, le=MAX_INTERVAL_S)


@router.get("")
def read_schedule(schedule: Schedule) -> ScheduleView:
    """Return the schedule; `next_due_at` and `due_in_s` are null while it is paused or not armed."""
    return schedule.view()


@router.put("")
def change_schedule(change: ScheduleChange, schedule: Schedule) -> ScheduleView:
    """Pause, resume or change the interval; return the schedule afterwards."""
    if change.interval_s is not None:
        schedule.set_interval(change.interval_s, requested_by=ACTOR)
    if change.paused is not None:
        verb = schedule.pause if change.paused else schedule.resume
        verb(requested_by=ACTOR)
    return schedule.view()
