"""What the schedule's buttons on the home page do."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from app.panel.schedule.service import ScheduleService

WHO: Final = "hand"
SECONDS: Final = {"s": 1, "min": 60, "h": 3600}


def router(schedule: ScheduleService) -> APIRouter:
    """Pause, resume, change the interval; each leads back home."""
    routes = APIRouter()

    @routes.post("/schedule/pause")
    def pause() -> Response:
        schedule.pause(requested_by=WHO)
        return RedirectResponse("/", status_code=303)

    @routes.post("/schedule/resume")
    def resume() -> Response:
        schedule.resume(requested_by=WHO)
        return RedirectResponse("/", status_code=303)

    @routes.post("/schedule/interval")
    def interval(
        number: Annotated[float, Form(gt=0, le=10**9)], unit: Annotated[Literal["s", "min", "h"], Form()]
    ) -> Response:
        schedule.set_interval(round(number * SECONDS[unit]), requested_by=WHO)
        return RedirectResponse("/", status_code=303)

    return routes
