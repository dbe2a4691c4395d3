"""Live data against training data as JSON."""

from fastapi import APIRouter

from app.panel.drift.service import DriftService, as_json


def router(drift: DriftService) -> APIRouter:
    """The route."""
    routes = APIRouter(prefix="/api/v1", tags=["drift"])

    @routes.get("/drift")
    def get_drift() -> dict[str, object]:
        """verdict (none, drift, too few rows, unknown), reason, threshold, score and features, worst first."""
        return as_json(drift.report())

    return routes
