"""Typical durations of stages: the median of the last runs that succeeded."""

from collections import defaultdict
from collections.abc import Mapping
from statistics import median

from sqlmodel import col, select

from app.panel.db.engine import Database
from app.panel.runs.domain.state import AttemptState, RunState
from app.panel.runs.domain.tables import Run, StageAttempt
from pipeline.core.stage import STAGES

LAST_RUNS = 10


def typical_durations(db: Database) -> dict[str, float]:
    """Return seconds by stage; a stage that never succeeded is left out. Two short reads by index."""
    with db.read() as session:
        last = select(Run.id).where(Run.state == RunState.SUCCEEDED).order_by(col(Run.number).desc()).limit(LAST_RUNS)
        run_ids = list(session.exec(last))
        rows = session.exec(
            select(StageAttempt.stage, StageAttempt.duration_s).where(
                col(StageAttempt.run_id).in_(run_ids), StageAttempt.state == AttemptState.SUCCEEDED
            )
        )
        seconds: dict[str, list[float]] = defaultdict(list)
        for stage, duration_s in rows:
            if duration_s is not None:
                seconds[stage].append(duration_s)
    return {stage: median(values) for stage, values in seconds.items()}


def whole_run_s(durations: Mapping[str, float]) -> float | None:
    """Return the seconds that all stages take together; None where one is not known."""
    return sum(durations.values()) if len(durations) == len(STAGES) else None
