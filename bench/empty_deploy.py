"""A deploy stage that does nothing; it runs inside the panel."""

import threading

from app.panel.runs.domain.interfaces import DeployResult, StageLog
from pipeline.core.stage import StageContext, TrainResult


def live_at_once(ctx: StageContext, result: TrainResult, log: StageLog, stop: threading.Event) -> DeployResult:
    """Return a deployment that had nothing to do."""
    log.log("deploying")
    return DeployResult(version=ctx.version, deployed=True, reason=f"Version {ctx.version} is live.", bundle="b")
