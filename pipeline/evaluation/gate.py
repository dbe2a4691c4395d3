"""Whether a new model may replace the live one. Pure: rows and answers in, a verdict out.

Challenger and champion answer the same test rows. The difference of their primary metrics comes with a paired
bootstrap interval.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from pipeline.core.metric_labels import metric_in_sentence
from pipeline.core.params import Task
from pipeline.core.stage import GateVerdict
from pipeline.evaluation.bootstrap import difference_interval
from pipeline.evaluation.metrics import LOWER_IS_BETTER, PRIMARY, Floats, oriented, primary_value, rounded

MAX_ROWS: Final = 100_000  # more rows make the interval slower, not more useful


@dataclass(frozen=True)
class Champion:
    """The live model as the gate sees it.

    `output` are its answers to the test rows, None where it cannot answer them; `obstacle` then says why in a clause
    ("it needs the column x, which is gone"). `mismatch` names in a clause how the challenger's target, task or classes
    differ from its own, "" where they do not. `held_out` are the test rows that it was not trained on, None where that is
    all of them.
    """

    version: int
    digest: str
    output: Floats | None
    obstacle: str = ""
    mismatch: str = ""
    held_out: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Rule:
    """How strict the gate is: `margin` in units of the oriented metric, `confidence` of the interval in (0.5, 1)."""

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
    """The verdict. `y` and the outputs are as in `pipeline.evaluation.metrics`; `baseline` are the answers of the dummy model.

    A challenger with the champion's digest is `identical`. One whose answers are constant or whose metric is not a
    number never passes. Nor does one that predicts something else than the champion: the callers of the API would get
    answers to another question, so a person has to promote it. Without a champion to compare with, the challenger has
    to beat the baseline. On more than MAX_ROWS rows a seeded draw of them decides. Rows on which the champion was trained are not compared on. The same
    input gives the same verdict.
    """
    if len(y) > MAX_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(len(y), MAX_ROWS, replace=False))
        y, challenger, baseline = y[rows], challenger[rows], baseline[rows]
        if champion is not None and champion.output is not None:
            held_out = None if champion.held_out is None else champion.held_out[rows]
            champion = replace(champion, output=champion.output[rows], held_out=held_out)
    metric = PRIMARY[task]
    ours, dummy = primary_value(task, y, challenger), primary_value(task, y, baseline)
    case = _Case(metric, ours, dummy, len(y), champion)
    if champion is not None and champion.digest == digest:
        return case.verdict(
            "identical", f"Nothing to deploy: this model equals version {champion.version} in every bit."
        )
    refusal = _refusal(case, task, challenger)
    if refusal:
        return case.verdict("keep", f"Not promoted: {refusal}.")
    if champion is None:
        return _against_baseline(case, "First model")
    if champion.mismatch:
        by_hand = "Promote it by hand on the Models page if that is intended."
        return case.verdict("keep", f"Not promoted: {champion.mismatch}. {by_hand}")
    answers = _Answers(task, y, challenger, baseline)
    return _compare(case, answers, champion, rule, seed)


def constant(task: Task, output: Floats) -> bool:
    """Whether all answers are the same (to what float32 can tell)."""
    values = output[:, 1:2] if task == "binary" else output
    spread = values.max(axis=0) - values.min(axis=0)
    least = 0.0 if task == "regression" else 1e-3
    return bool((spread <= 1e-6 * np.maximum(least, np.abs(values).max(axis=0))).all())


@dataclass(frozen=True)
class _Case:
    """What all verdicts share; `ours` and `dummy` are oriented."""

    metric: str
    ours: float
    dummy: float
    n_rows: int
    champion: Champion | None
    fair: str = ""  # what is special about the rows

    @property
    def rows(self) -> str:
        """The rows on which two models are compared."""
        return f"{self.n_rows:,} test rows {self.fair}" if self.fair else f"the same {self.n_rows:,} test rows"

    @property
    def word(self) -> str:
        return metric_in_sentence(self.metric)

    def plain(self, value: float) -> str:
        """A value as the metric's users know it."""
        return f"{oriented(self.metric, value):.4f}".replace("-0.0000", "0.0000")

    def verdict(
        self,
        decision: Literal["promote", "keep", "identical"],
        reason: str,
        theirs: float | None = None,
        interval: tuple[float, float] | None = None,
    ) -> GateVerdict:
        def number(value: float | None) -> float | None:
            return None if value is None or not np.isfinite(value) else rounded(value)

        def as_metric(value: float | None) -> float | None:
            return None if value is None else number(oriented(self.metric, value))

        return GateVerdict(
            decision=decision,
            reason=reason,
            metric=self.metric,
            challenger=as_metric(self.ours),
            champion=as_metric(self.ours if decision == "identical" else theirs),
            champion_version=self.champion.version if self.champion else None,
            baseline=as_metric(self.dummy),
            difference=0.0 if decision == "identical" else None if theirs is None else number(self.ours - theirs),
            low=0.0 if decision == "identical" else number(interval[0]) if interval else None,
            high=0.0 if decision == "identical" else number(interval[1]) if interval else None,
            n_rows=self.n_rows,
        )


@dataclass(frozen=True)
class _Answers:
    """The rows with what was true and what the challenger and the dummy say."""

    task: Task
    y: npt.NDArray[np.generic]
    challenger: Floats
    baseline: Floats


def _compare(case: _Case, given: _Answers, champion: Champion, rule: Rule, seed: int) -> GateVerdict:
    """The verdict on rows that neither model was trained on."""
    if champion.output is None:
        return _against_unscored(case, champion.version, champion.obstacle, rule)
    task, y, challenger, theirs = given.task, given.y, given.challenger, champion.output
    if champion.held_out is not None:
        rows = np.flatnonzero(champion.held_out)
        ours = primary_value(task, y[rows], challenger[rows]) if len(rows) else float("nan")
        if not np.isfinite(ours):
            obstacle = f"it was trained on all but {len(rows):,} of the test rows"
            return _against_unscored(case, champion.version, obstacle, rule)
        dummy = primary_value(task, y[rows], given.baseline[rows])
        case = replace(case, ours=ours, dummy=dummy, n_rows=len(rows), fair="that neither was trained on")
        y, challenger, theirs = y[rows], challenger[rows], theirs[rows]
    value = primary_value(task, y, theirs)
    if not np.isfinite(value):
        return _against_unscored(case, champion.version, "", rule)
    interval = difference_interval(task, y, challenger, theirs, confidence=rule.confidence, seed=seed)
    return _against_champion(case, champion.version, value, interval, rule)


def _against_baseline(case: _Case, opening: str) -> GateVerdict:
    lower = " (lower is better)" if case.metric in LOWER_IS_BETTER else ""
    numbers = f"{case.word} {case.plain(case.ours)} on {case.n_rows:,} test rows"
    dummy = f"{case.plain(case.dummy)} of always giving the same answer{lower}"
    if case.ours > case.dummy:
        return case.verdict("promote", f"{opening}: its {numbers} beats the {dummy}.")
    if opening == "First model":
        return case.verdict("keep", f"Not promoted: its {numbers} does not beat the {dummy}.")
    return case.verdict("keep", f"Not promoted: {_lower(opening)}, and its {numbers} does not beat the {dummy}.")


def _refusal(case: _Case, task: Task, challenger: Floats) -> str:
    """Why this model may never go live, or ""."""
    if not np.isfinite(case.ours):
        return f"its {case.word} on the test rows is not a number"
    if constant(task, challenger):
        return f"it gives the same answer for all {case.n_rows:,} test rows"
    return ""


def _against_unscored(case: _Case, version: int, obstacle: str, rule: Rule) -> GateVerdict:
    why = obstacle or f"its {case.word} is not a number"
    who = f"Version {version}" if version else "The live model"  # whose pointer cannot be read has no number
    clause = f"{who} cannot be scored on this data because {why}"
    if rule.kind == "better":
        return case.verdict("keep", f"Not promoted: {_lower(clause)}, so nothing shows that the new model is better.")
    return _against_baseline(case, clause)


def _against_champion(
    case: _Case, version: int, theirs: float, interval: tuple[float, float], rule: Rule
) -> GateVerdict:
    difference = case.ours - theirs
    low, high = interval
    span = f", {rule.confidence * 100:g} % interval {_change(low)} to {_change(high)}" if np.isfinite(low) else ""
    lower = ", lower is better" if case.metric in LOWER_IS_BETTER else ""
    numbers = (
        f"{case.word} {case.plain(case.ours)} against {case.plain(theirs)} of version {version} "
        f"on {case.rows} ({_change(difference)}{span}{lower})"
    )
    surely_better = bool(np.isfinite(low) and low > 0)
    if rule.kind == "better":
        passed = surely_better
        claim = "better than chance allows" if passed else "not better than chance allows"
    else:
        passed = difference >= -rule.margin
        claim = f"{'not worse' if passed else 'worse'} by more than the margin of {rule.margin:g}"
        claim = "better than chance allows" if passed and surely_better else claim
    decision: Literal["promote", "keep"] = "promote" if passed else "keep"
    opening = "Promoted" if passed else "Not promoted"
    if difference == low == high == 0:
        alike = f"it does exactly as well as version {version} on {case.rows}"
        rest = "" if passed else ", and the rule asks for better"
        return case.verdict(
            decision, f"{opening}: {alike} ({case.word} {case.plain(case.ours)}){rest}.", theirs, interval
        )
    return case.verdict(decision, f"{opening}: {numbers} is {claim}.", theirs, interval)


def _change(value: float) -> str:
    """An oriented difference in words: "0.0012 better", "0.0300 worse", "equal"."""
    if value == 0:
        return "equal"
    size = f"{abs(value):.4f}" if abs(value) >= 5e-5 else "under 0.0001"
    return f"{size} {'better' if value > 0 else 'worse'}"


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]
