"""The gate's verdict as numbers and as one sentence for people."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from pipeline.core.metric_labels import LOWER_IS_BETTER, metric_in_sentence
from pipeline.core.params import Task
from pipeline.core.sentences import lower_first
from pipeline.core.stage import DataResult, GateVerdict
from pipeline.evaluation.metrics import PRIMARY, oriented, rounded

Decision = Literal["promote", "keep", "identical"]
BASELINE_PREDICTS: Final[dict[Task, str]] = {
    "binary": "the majority class",
    "multiclass": "the class frequencies",
    "regression": "the mean",
}


@dataclass(frozen=True)
class Case:
    """The facts that every verdict on a challenger states.

    `challenger` and `baseline` are oriented primary metrics on `n_rows` test rows; with `is_held_out`, on those that
    the champion was not trained on either.
    """

    task: Task
    challenger: float
    baseline: float
    n_rows: int
    champion_version: int | None
    is_held_out: bool = False

    @property
    def metric(self) -> str:
        """Return the name of the primary metric."""
        return PRIMARY[self.task]

    @property
    def metric_label(self) -> str:
        """Return the primary metric as it is called in a sentence."""
        return metric_in_sentence(self.metric)

    def identical(self) -> GateVerdict:
        """Return the verdict on a challenger with the champion's digest."""
        return self._verdict(
            "identical",
            f"Nothing to deploy: this model is identical to version {self.champion_version}.",
            champion=self.challenger,
            interval=(0.0, 0.0),
        )

    def refused(self, clause: str) -> GateVerdict:
        """Return the verdict on a challenger that is not promoted for the reason in `clause`."""
        return self._verdict("keep", f"Not promoted: {clause}.")

    def against_baseline(self, obstacle: str = "") -> GateVerdict:
        """Return the verdict where only the baseline can be compared with; `obstacle` is the sentence that says why."""
        passed = self.challenger > self.baseline
        lower = " (lower is better)" if self.metric in LOWER_IS_BETTER else ""
        claim = (
            f"{self.metric_label} {self._shown(self.challenger)}{lower} on {self.n_rows:,} test rows is "
            f"{'better' if passed else 'not better'} than the baseline ({self._shown(self.baseline)}), "
            f"which always predicts {BASELINE_PREDICTS[self.task]}"
        )
        if passed:
            opening = f"{obstacle}; the new model's" if obstacle else "First model: its"
            return self._verdict("promote", f"{opening} {claim}.")
        opening = f"{lower_first(obstacle)}, and the new model's" if obstacle else "its"
        return self._verdict("keep", f"Not promoted: {opening} {claim}.")

    def against_champion(
        self,
        champion: float,
        interval: tuple[float, float],
        *,
        passed: bool,
        claim: str,
        confidence: float,
    ) -> GateVerdict:
        """Return the verdict of a comparison on the same rows.

        `champion` is its oriented metric, `interval` that of challenger minus champion at `confidence`. `claim` follows
        "is" and its first "{}" is where the champion is named.
        """
        decision: Decision = "promote" if passed else "keep"
        opening = "Promoted" if passed else "Not promoted"
        difference, (low, high) = self.challenger - champion, interval
        if difference == low == high == 0:
            rest = "" if passed else ", and the rule asks for a better one"
            reason = (
                f"{opening}: it scores exactly the same as version {self.champion_version} on {self._rows} "
                f"({self.metric_label} {self._shown(self.challenger)}){rest}."
            )
            return self._verdict(decision, reason, champion, interval)
        span = (
            f", {confidence * 100:g}% confidence interval {_change(low)} to {_change(high)}" if np.isfinite(low) else ""
        )
        lower = "; lower is better" if self.metric in LOWER_IS_BETTER else ""
        comparison = claim.format(f"that of version {self.champion_version} ({self._shown(champion)})")
        reason = (
            f"{opening}: its {self.metric_label} {self._shown(self.challenger)} is {comparison} on {self._rows} "
            f"({_change(difference)}{span}{lower})."
        )
        return self._verdict(decision, reason, champion, interval)

    @property
    def _rows(self) -> str:
        if self.is_held_out:
            return f"{self.n_rows:,} test rows that neither was trained on"
        return f"the same {self.n_rows:,} test rows"

    def _shown(self, value: float) -> str:
        """Return an oriented value as users of the metric know it."""
        return f"{oriented(self.metric, value):.4f}".replace("-0.0000", "0.0000")

    def _verdict(
        self,
        decision: Decision,
        reason: str,
        champion: float | None = None,
        interval: tuple[float, float] | None = None,
    ) -> GateVerdict:
        difference = None if champion is None else _number(self.challenger - champion)
        if decision == "identical":
            difference = 0.0
        return GateVerdict(
            decision=decision,
            reason=reason,
            metric=self.metric,
            challenger=self._as_metric(self.challenger),
            champion=self._as_metric(champion),
            champion_version=self.champion_version,
            baseline=self._as_metric(self.baseline),
            difference=difference,
            low=None if interval is None else _number(interval[0]),
            high=None if interval is None else _number(interval[1]),
            n_rows=self.n_rows,
        )

    def _as_metric(self, value: float | None) -> float | None:
        return None if value is None else _number(oriented(self.metric, value))


def with_cautions(verdict: GateVerdict, data: DataResult) -> GateVerdict:
    """Return the verdict with what makes it doubtful: a target that was guessed, and features that may give it away."""
    cautions = [f"The target {data.target!r} was guessed from its name."] * data.target_is_guess
    for name, how in list(data.leakage.items())[:1]:
        n_more = len(data.leakage) - 1
        more = f" (and {n_more} more)" if n_more else ""
        cautions.append(f"Beware: {name!r}{more} {how}: possible target leakage.")
    if verdict.decision == "keep":
        for name, how in list(data.champion_leakage.items())[:1]:
            cautions.append(
                f"Version {verdict.champion_version} looks good because of {name!r}, which {how}: if that is not known at "
                f"prediction time, promote this model."
            )
    return verdict.model_copy(update={"reason": " ".join([verdict.reason, *cautions])}) if cautions else verdict


def _number(value: float) -> float | None:
    return rounded(value) if np.isfinite(value) else None


def _change(value: float) -> str:
    """Return an oriented difference in words: "0.0012 better", "0.0300 worse", "equal"."""
    if value == 0:
        return "equal"
    size = f"{abs(value):.4f}" if abs(value) >= 5e-5 else "under 0.0001"
    return f"{size} {'better' if value > 0 else 'worse'}"
