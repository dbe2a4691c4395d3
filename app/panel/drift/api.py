"""Live data against training data as JSON."""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel

from app.panel.drift.report import DriftReport
from app.panel.drift.service import DriftService
from app.web.dependencies import provided

router = APIRouter(prefix="/api/v1", tags=["drift"])


class UnknownDriftResponse(BaseModel):
    """There is nothing to compare: no live model, or no response from the prediction API."""

    verdict: Literal["unknown"] = "unknown"
    reason: str = "There is no live model, or the prediction API does not answer."


@router.get("/drift")
def read_drift(drift: Annotated[DriftService, provided(DriftService)]) -> DriftReport | UnknownDriftResponse:
    """Return verdict, reason, threshold, score and features, the largest shift first."""
    return drift.report() or UnknownDriftResponse()
