"""The schedule as JSON."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from app.panel.schedule.service import MAX_INTERVAL_S, ScheduleService, ScheduleView

router = APIRouter(prefix="/api/v1/schedule", tags=["schedule"])


class ScheduleChange(BaseModel):
    """What to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid", strict=True)

    paused: bool | None = None
    interval_s: int | None = Field(None, ge=1, le=MAX_INTERVAL_S)


def _schedule(request: Request) -> ScheduleService:
    schedule: ScheduleService = request.app.state.panel.schedule
    return schedule


Schedules = Annotated[ScheduleService, Depends(_schedule)]


@router.get("")
def get_schedule(schedule: Schedules) -> dict[str, object]:
    """interval_s, armed, paused, paused_by, paused_at, next_due_at, due_in_s (null while paused or not armed)."""
    return _json(schedule.view())


@router.put("")
def put_schedule(change: ScheduleChange, schedule: Schedules) -> dict[str, object]:
    """Pause, resume, change the interval; the schedule as it is then."""
    if change.interval_s is not None:
        schedule.set_interval(change.interval_s, requested_by="api")
    if change.paused is not None:
        verb = schedule.pause if change.paused else schedule.resume
        verb(requested_by="api")
    return _json(schedule.view())


def _json(view: ScheduleView) -> dict[str, object]:
    return asdict(view)
