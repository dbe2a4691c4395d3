"""The contribution of each feature to the score, as bars from a middle line. Pure."""

from typing import Final

from app.frontend.labels import column_label, value_text
from app.frontend.views import Reason, Reasons
from app.web.formats import percent, short_number
from pipeline.core.manifest import Feature, Manifest, Scalar
from pipeline.core.prediction_api import Contribution, Explanation

MAX_TOP_REASONS: Final = 6
MIN_TOP_WIDTH: Final = 0.5  # percent: a narrower bar is not worth a place among the top


def build_reasons(manifest: Manifest, record: dict[str, Scalar], explanation: Explanation, label: str) -> Reasons:
    """Return the contributions to the score of `record`, the largest first; `label` is the predicted class."""
    is_regression = manifest.task == "regression"
    subject = {
        "regression": manifest.target,
        "binary": f"the probability of {manifest.classes[1]}" if manifest.classes else "",
        "multiclass": f"the probability of {label}",
    }[manifest.task]
    features = {feature.name: feature for feature in manifest.features}
    ranked = sorted(explanation.contributions, key=lambda item: -abs(item.contribution))
    largest = max((abs(item.contribution) for item in ranked), default=0.0) or 1.0
    reasons = [
        _build_reason(features[item.feature], record.get(item.feature), item, largest, is_regression=is_regression)
        for item in ranked
        if item.feature in features
    ]
    top = [reason for reason in reasons[:MAX_TOP_REASONS] if reason.width >= MIN_TOP_WIDTH]
    format_score = short_number if is_regression else percent
    base, score = format_score(explanation.base), format_score(explanation.score)
    return Reasons(
        intro=f"For a typical row, {subject} is {base}; for this row it is {score}. What makes the difference:",
        top=tuple(top),
        rest=tuple(reasons[len(top) :]),
    )


def _build_reason(
    feature: Feature, value: Scalar, item: Contribution, largest: float, *, is_regression: bool
) -> Reason:
    width = round(50 * abs(item.contribution) / largest, 2)
    is_up = item.contribution > 0
    text, typical = value_text(feature, value), value_text(feature, item.typical)
    return Reason(
        label=column_label(feature.name),
        name=feature.name,
        value=text,
        typical="" if item.typical is None or typical == text else typical,
        effect=_effect_text(item.contribution, is_regression=is_regression),
        is_up=is_up,
        x=50.0 if is_up else round(50 - width, 2),
        width=width,
    )


def _effect_text(contribution: float, *, is_regression: bool) -> str:
    """Return `+3.2 points` of probability, or `+12.3` in the target's own unit."""
    size = abs(contribution)
    if not is_regression and size < 0.0005:
        return "<0.1 points"
    text = short_number(size) if is_regression else f"{size * 100:.1f} points"
    sign = "" if size == 0 else "+" if contribution > 0 else "−"
    return f"{sign}{text}"
