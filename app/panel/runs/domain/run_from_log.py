"""Tells a run from its log and its results, where the folder has no `run.json`: an earlier version has left it."""

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import ValidationError

from app.panel.logs.line import LogLine
from app.panel.runs.domain.run_columns import run_columns
from app.panel.runs.domain.state import FINAL, AttemptState, RunState, Trigger
from app.panel.runs.domain.store import RunSnapshot
from app.panel.runs.domain.tables import Run, StageAttempt
from pipeline.core.params import Estimator
from pipeline.core.stage import STAGES, DataResult, SeedResult, TrainResult, read_result

# The lines that `execution.py`, `finish.py` and `deploy_stage.py` write.
STARTED: Final = re.compile(r"Run (\d+) started \((\w+)\)\.")
ENDED: Final = re.compile(rf"Run (\d+) ({'|'.join(sorted(FINAL))})\. ?(.*)")
STAGE_ENDED: Final = re.compile(rf"Stage “.+” ({'|'.join(AttemptState)}) after ([\d.]+) s\.")
PUBLISHED: Final = re.compile(r"Published version (\d+) ")
LIVE: Final = re.compile(r"Version (\d+) is live\.")


def run_from_log(folder: Path, lines: Iterable[LogLine]) -> RunSnapshot | None:
    """Return what log and results tell of the run in `folder`; None if its first line does not say which run it is.

    Of its parameters only seed, target and estimator are known; the state of a run whose log has no end is `running`.
    """
    run: Run | None = None
    attempts: dict[tuple[str, int], StageAttempt] = {}
    for line in lines:
        at = datetime.fromisoformat(line.at)
        if run is None:
            started = STARTED.fullmatch(line.text)
            if started is None or line.stage not in STAGES or started[2] not in set(Trigger):
                return None
            run = _started(folder.name, int(started[1]), started[2], line.stage, at)
        if line.attempt > 0 and line.stage in STAGES:
            attempt = attempts.setdefault((line.stage, line.attempt), _attempt(run, line, at))
            if ended := STAGE_ENDED.fullmatch(line.text):
                attempt.state, attempt.duration_s, attempt.finished_at = ended[1], float(ended[2]), at
        _take_over(run, line, at)
    if run is None:
        return None
    for stage in STAGES[:3]:
        with suppress(OSError, ValidationError):
            run.sqlmodel_update(run_columns(folder, stage))
    run.params = _params(folder)
    return RunSnapshot(run, tuple(attempts.values()))


def _started(run_id: str, number: int, trigger: str, from_stage: str, at: datetime) -> Run:
    return Run(
        id=run_id,
        number=number,
        state=RunState.RUNNING,
        trigger=trigger,
        from_stage=from_stage,
        params={},
        requested_by="",
        created_at=at,
        started_at=at,
    )


def _attempt(run: Run, line: LogLine, at: datetime) -> StageAttempt:
    return StageAttempt(run_id=run.id, stage=line.stage, attempt=line.attempt, started_at=at)


def _take_over(run: Run, line: LogLine, at: datetime) -> None:
    """Write what a line says of the whole run into its row."""
    run.n_warnings += line.level == "warning"
    run.n_errors += line.level == "error"
    if line.stage in STAGES:
        run.stage = line.stage
    if line.stage == "deploy" and (published := PUBLISHED.match(line.text)):
        run.model_version = int(published[1])
    if line.stage == "deploy" and (live := LIVE.fullmatch(line.text)):
        run.model_version, run.deployed = int(live[1]), True
    if (ended := ENDED.fullmatch(line.text)) and int(ended[1]) == run.number:
        run.state, run.reason, run.finished_at = ended[2], ended[3], at
        run.duration_s = round(max(0.0, (at - run.created_at).total_seconds()), 3)


def _params(folder: Path) -> dict[str, Any]:
    """Return the parameters of the run, as far as its results tell them."""
    known: dict[str, Any] = {}
    with suppress(OSError, ValidationError):
        known["seed"] = read_result(folder, "set_seed", SeedResult).seed
    with suppress(OSError, ValidationError):
        known["target"] = read_result(folder, "process_data", DataResult).target
    with suppress(OSError, ValidationError):
        known["estimator"] = read_result(folder, "train_model", TrainResult).estimator
    if known.get("estimator") not in get_args(Estimator):
        known.pop("estimator", None)
    return known
