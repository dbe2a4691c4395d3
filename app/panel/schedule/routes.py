"""The schedule's buttons on the home page."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from app.panel.schedule.service import ScheduleService
from app.web.dependencies import provided

router = APIRouter()
ACTOR: Final = "web"
UNIT_S: Final = {"s": 1, "min": 60, "h": 3600}
Schedule = Annotated[ScheduleService, provided(ScheduleService)]


@router.post("/schedule/pause")
def pause(schedule: Schedule) -> Response:
    """Pause, and show the home page again."""
    schedule.pause(requested_by=ACTOR)
    return RedirectResponse("/", status_code=303)


@router.post("/schedule/resume")
def resume(schedule: Schedule) -> Response:
    """Resume, and show the home page again."""
    schedule.resume(requested_by=ACTOR)
    return RedirectResponse("/", status_code=303)


@router.post("/schedule/interval")
def change_interval(
    schedule: Schedule,
    number: Annotated[float, Form(gt=0, le=10**9)],
    unit: Annotated[Literal["s", "min", "h"], Form()],
) -> Response:
    """Change the interval, and show the home page again."""
    schedule.set_interval(round(number * UNIT_S[unit]), requested_by=ACTOR)
    return RedirectResponse("/", status_code=303)
