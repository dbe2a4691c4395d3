"""Decides whether a new model may replace the live one. Pure: rows and predictions in, a verdict out.

Challenger and champion predict the same test rows. The difference of their primary metrics comes with a paired
bootstrap interval.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from pipeline.core.params import Task
from pipeline.core.sentences import lower_first
from pipeline.core.stage import GateVerdict
from pipeline.evaluation.bootstrap import difference_interval
from pipeline.evaluation.metrics import Floats, primary_value
from pipeline.evaluation.verdict import Case

MAX_ROWS: Final = 100_000  # more rows make the interval slower, not more useful
PROMOTE_MANUALLY: Final = "Promote it manually on the Models page if this is intended"


@dataclass(frozen=True)
class Champion:
    """The live model as the gate sees it.

    `output` are its predictions for the test rows, None where it cannot predict them; `obstacle` then says why in a clause
    ("it needs the column x, which is gone"). `mismatch` names in a clause how the challenger's target, task or classes
    differ from its own, "" where they do not. `held_out` are the test rows that it was not trained on, None where that
    is all of them.
    """

    version: int
    digest: str
    output: Floats | None
    obstacle: str = ""
    mismatch: str = ""
    held_out: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Rule:
    """The strictness of the gate: `margin` in units of the oriented metric, `confidence` of the interval in (0.5, 1)."""

    kind: Literal["not_worse", "better"]
    margin: float
    confidence: float


def decide(
    task: Task,
    y: npt.NDArray[np.generic],
    *,
    challenger: Floats,
    baseline: Floats,
    digest: str,
    champion: Champion | None,
    rule: Rule,
    seed: int,
) -> GateVerdict:
    """Return the verdict; the same input gives the same verdict.

    `y` and the outputs are as in `pipeline.evaluation.metrics`; `baseline` are the predictions of the dummy model. On more
    than MAX_ROWS rows a seeded sample of them decides.

    A challenger with the champion's digest is `identical`. One whose predictions are constant or whose metric is not a
    number never passes. Nor does one that predicts something else than the champion: the callers of the API would get
    answers to another question, so a person has to promote it. Without a champion to compare with, the challenger has
    to be better than the baseline. Rows on which the champion was trained are left out of a comparison.
    """
    if len(y) > MAX_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(len(y), MAX_ROWS, replace=False))
        y, challenger, baseline = y[rows], challenger[rows], baseline[rows]
        champion = _sampled(champion, rows)
    case = Case(
        task,
        primary_value(task, y, challenger),
        primary_value(task, y, baseline),
        len(y),
        None if champion is None else champion.version,
    )
    if champion is not None and champion.digest == digest:
        return case.identical()
    reason = _unfit(case, challenger)
    if reason:
        return case.refused(reason)
    if champion is None:
        return case.against_baseline()
    if champion.mismatch:
        return case.refused(f"{champion.mismatch}. {PROMOTE_MANUALLY}")
    return _against(case, _Predictions(y, challenger, baseline), champion, rule, seed)


def is_constant(task: Task, output: Floats) -> bool:
    """Return True if all predictions are the same, as far as float32 can tell."""
    values = output[:, 1:2] if task == "binary" else output
    spread = values.max(axis=0) - values.min(axis=0)
    least = 0.0 if task == "regression" else 1e-3
    return bool((spread <= 1e-6 * np.maximum(least, np.abs(values).max(axis=0))).all())


@dataclass(frozen=True)
class _Predictions:
    """The true values of the rows, and the predictions of challenger and dummy."""

    y: npt.NDArray[np.generic]
    challenger: Floats
    baseline: Floats

    def take(self, rows: npt.NDArray[np.intp]) -> "_Predictions":
        return _Predictions(self.y[rows], self.challenger[rows], self.baseline[rows])


def _sampled(champion: Champion | None, rows: npt.NDArray[np.int64]) -> Champion | None:
    if champion is None or champion.output is None:
        return champion
    held_out = None if champion.held_out is None else champion.held_out[rows]
    return replace(champion, output=champion.output[rows], held_out=held_out)


def _unfit(case: Case, challenger: Floats) -> str:
    """Return why this model may never go live, or ""."""
    if not np.isfinite(case.challenger):
        return f"its {case.metric_label} on the test rows is not a number"
    if is_constant(case.task, challenger):
        return f"it makes the same prediction for all {case.n_rows:,} test rows"
    return ""


def _against(case: Case, predictions: _Predictions, champion: Champion, rule: Rule, seed: int) -> GateVerdict:
    """Return the verdict of a comparison on the rows that neither model was trained on."""
    if champion.output is None:
        return _against_unscored(case, champion.obstacle, rule)
    output = champion.output
    if champion.held_out is not None:
        rows = np.flatnonzero(champion.held_out)
        predictions, output = predictions.take(rows), output[rows]
        challenger = primary_value(case.task, predictions.y, predictions.challenger) if len(rows) else float("nan")
        if not np.isfinite(challenger):
            return _against_unscored(case, f"it was trained on all but {len(rows):,} of the test rows", rule)
        baseline = primary_value(case.task, predictions.y, predictions.baseline)
        case = replace(case, challenger=challenger, baseline=baseline, n_rows=len(rows), is_held_out=True)
    champion_value = primary_value(case.task, predictions.y, output)
    if not np.isfinite(champion_value):
        return _against_unscored(case, f"its {case.metric_label} is not a number", rule)
    interval = difference_interval(
        case.task, predictions.y, predictions.challenger, output, confidence=rule.confidence, seed=seed
    )
    return _against_scored(case, champion_value, interval, rule)


def _against_scored(case: Case, champion: float, interval: tuple[float, float], rule: Rule) -> GateVerdict:
    is_significantly_better = bool(np.isfinite(interval[0]) and interval[0] > 0)
    if rule.kind == "better":
        passed = is_significantly_better
        claim = "not significantly better than {}"
    else:
        passed = case.challenger - champion >= -rule.margin
        claim = ("not worse" if passed else "worse") + f" than {{}} by more than the margin of {rule.margin:g}"
    if passed and is_significantly_better:
        claim = "significantly better than {}"
    return case.against_champion(champion, interval, passed=passed, claim=claim, confidence=rule.confidence)


def _against_unscored(case: Case, obstacle: str, rule: Rule) -> GateVerdict:
    # A live model whose pointer cannot be read has no number.
    name = f"Version {case.champion_version}" if case.champion_version else "The live model"
    sentence = f"{name} cannot be scored on this data because {obstacle}"
    if rule.kind == "better":
        return case.refused(f"{lower_first(sentence)}, so there is no evidence that the new model is better")
    return case.against_baseline(sentence)
