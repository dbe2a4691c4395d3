"""An answer of the API in the words and drawings of a page. Pure."""

from collections.abc import Callable, Sequence
from typing import Final

from app.frontend import figures
from app.frontend.form import Form, Option
from app.frontend.labels import class_label, spoken, words
from app.frontend.views import ClassBar, Point, Reason, Reasons, Result, WhatIf
from app.web.formats import input_text, percent, short_number
from pipeline.core.bundle import Feature, Manifest, Scalar
from pipeline.core.prediction_api import Contribution, Curve, CurvePoint, Explanation, Prediction

TOP_REASONS: Final = 6
SHOWN_CLASSES: Final = 12


def score_of(manifest: Manifest, prediction: Prediction) -> float:
    """The number that explanations and curves are about: as in `Manifest.score_histogram`."""
    if manifest.task == "regression":
        return float(prediction.prediction)
    if manifest.task == "binary":
        return prediction.probabilities[manifest.classes[1]]
    return max(prediction.probabilities.values())


def result(
    manifest: Manifest,
    prediction: Prediction,
    *,
    link: str,
    reasons: Reasons | None,
    what_if: WhatIf | None,
    notes: tuple[str, ...] = (),
) -> Result:
    """One prediction as the page shows it."""
    score = score_of(manifest, prediction)
    threshold = prediction.threshold if manifest.task == "binary" else None
    label = class_label(prediction.prediction, manifest.classes)
    is_value = manifest.task == "regression"
    return Result(
        sentence=sentence(manifest, prediction),
        figure=short_number(score) if is_value else percent(score),
        caption=_caption(manifest, label),
        gauge=figures.gauge(score, threshold) if manifest.task == "binary" else None,
        threshold_text="" if threshold is None else percent(threshold),
        classes=_class_bars(prediction, label) if manifest.task == "multiclass" else (),
        distribution=figures.distribution(manifest.score_histogram, score) if is_value else None,
        filled_in=tuple(
            (words(feature.name), _stand_in(feature))
            for feature in manifest.features
            if feature.name in prediction.imputed
        ),
        version=prediction.model_version,
        request_id=prediction.request_id,
        link=link,
        reasons=reasons,
        what_if=what_if,
        notes=notes,
    )


def sentence(manifest: Manifest, prediction: Prediction) -> str:
    """The whole answer in one sentence."""
    label = class_label(prediction.prediction, manifest.classes)
    score = score_of(manifest, prediction)
    if manifest.task == "regression":
        share = figures.rank(manifest.score_histogram, score)
        return f"The model says {short_number(score)} for {manifest.target}: {_standing(share)}."
    if manifest.task == "multiclass":
        ranked = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
        rest = [(name, share) for name, share in ranked if name != label]
        second = f"; next is {rest[0][0]} with {percent(rest[0][1])}" if rest else ""
        return f"The model says {label} for {manifest.target}: probability {percent(score)}{second}."
    positive = manifest.classes[1]
    subject = "probability" if label == positive else f"the probability of {positive} is"
    text = f"The model says {label} for {manifest.target}: {subject} {percent(score)}"
    if prediction.threshold is None:
        return f"{text}."
    return f"{text}, {_side(score, prediction.threshold)} the threshold of {percent(prediction.threshold)}."


def _caption(manifest: Manifest, label: str) -> str:
    if manifest.task == "regression":
        return f"predicted {manifest.target}"
    shown = label if manifest.task == "multiclass" else manifest.classes[1]
    return f"probability of {manifest.target} = {shown}"


def _standing(share: float) -> str:
    if share < 0.005:
        return "lower than nearly all rows that it was tested on"
    if share > 0.995:
        return "higher than nearly all rows that it was tested on"
    return f"higher than {share * 100:.0f}% of the rows that it was tested on"


def _side(score: float, threshold: float) -> str:
    if percent(score) == percent(threshold):
        return "just at or above" if score >= threshold else "just below"
    return "above" if score >= threshold else "below"


def _stand_in(feature: Feature) -> str:
    if feature.kind == "numeric" and feature.median is not None:
        return f"typically {short_number(feature.median)}"
    if feature.kind == "categorical" and feature.categories:
        return f"most often {spoken(feature, feature.categories[0])}"
    return ""


def _class_bars(prediction: Prediction, label: str) -> tuple[ClassBar, ...]:
    ranked = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
    bars = [ClassBar(name, percent(share), round(share * 100, 2), name == label) for name, share in ranked]
    rest = ranked[SHOWN_CLASSES:]
    if rest:
        share = sum(value for _, value in rest)
        bars = [*bars[:SHOWN_CLASSES], ClassBar(f"{len(rest)} others", percent(share), round(share * 100, 2), False)]
    return tuple(bars)


def reasons(manifest: Manifest, record: dict[str, Scalar], explanation: Explanation, label: str) -> Reasons:
    """Contributions as bars from a middle line, the largest first."""
    is_value = manifest.task == "regression"
    subject = {
        "regression": manifest.target,
        "binary": f"the probability of {manifest.classes[1]}" if manifest.classes else "",
        "multiclass": f"the probability of {label}",
    }[manifest.task]
    by_name = {feature.name: feature for feature in manifest.features}
    ranked = sorted(explanation.contributions, key=lambda item: -abs(item.contribution))
    largest = max((abs(item.contribution) for item in ranked), default=0.0) or 1.0
    drawn = [
        _reason(by_name[item.feature], record, item, largest, is_value) for item in ranked if item.feature in by_name
    ]
    matters = [reason for reason in drawn[:TOP_REASONS] if reason.width >= 0.5]
    base = short_number(explanation.base) if is_value else percent(explanation.base)
    score = short_number(explanation.score) if is_value else percent(explanation.score)
    return Reasons(
        intro=f"For a typical row, {subject} is {base}; here it is {score}. What made the difference:",
        top=tuple(matters),
        rest=tuple(drawn[len(matters) :]),
    )


def _reason(feature: Feature, record: dict[str, Scalar], item: Contribution, largest: float, is_value: bool) -> Reason:
    width = round(50 * abs(item.contribution) / largest, 2)
    is_up = item.contribution > 0
    return Reason(
        label=words(feature.name),
        name=feature.name,
        value=spoken(feature, record.get(feature.name)),
        typical=_typical(feature, record.get(feature.name), item.typical),
        effect=_effect(item.contribution, is_value),
        is_up=is_up,
        x=50.0 if is_up else round(50 - width, 2),
        width=width,
    )


def _typical(feature: Feature, value: Scalar, typical: Scalar) -> str:
    """What the value was compared with; "" if it is the same or not known."""
    text = spoken(feature, typical)
    return "" if typical is None or text == spoken(feature, value) else text


def _effect(contribution: float, is_value: bool) -> str:
    """`+3.2 points` of probability, or `+12.3` in the target's own unit."""
    size = abs(contribution)
    points = f"{size * 100:.1f} points" if size >= 0.0005 else "<0.1 points"
    text = short_number(size) if is_value else points
    return text if size == 0 or text.startswith("<") else f"{'+' if contribution > 0 else '−'}{text}"


def what_if(
    manifest: Manifest, form: Form, chosen: Feature, *, curve: Curve, prediction: Prediction, label: str
) -> WhatIf:
    """The score over `chosen`, with the row's own value and the threshold marked."""
    is_share = manifest.task != "regression"
    threshold = prediction.threshold if manifest.task == "binary" else None
    write = percent if is_share else short_number
    record = form.record or {}
    now, score = record.get(chosen.name), score_of(manifest, prediction)
    raw = curve.points
    top = max((point.score for point in raw), default=0.0)
    bottom = min(0.0, *(point.score for point in raw)) if raw and not is_share else 0.0
    span = (1.0 if is_share else top - bottom) or 1.0
    points = tuple(
        Point(
            value=spoken(chosen, point.value),
            typed=input_text(point.value),
            score=write(point.score),
            x=_x(point.value),
            y=point.score,
            is_current=point.value == now,
            is_above=threshold is not None and point.score >= threshold,
            width=round(100 * (point.score - bottom) / span, 2),
        )
        for point in raw
    )
    numbers = [(point.x, point.y) for point in points if point.x is not None]
    is_line = chosen.kind == "numeric" and len(numbers) > 1
    current = (float(now), score) if is_line and isinstance(now, int | float) else None
    name = (
        f"probability of {manifest.classes[1] if manifest.task == 'binary' else label}" if is_share else manifest.target
    )
    field = next(field for field in form.fields if field.feature == chosen.name)
    return WhatIf(
        options=tuple(
            Option(feature.name, words(feature.name), feature.name == chosen.name) for feature in manifest.features
        ),
        field_id=field.id,
        label=words(chosen.name),
        unit=chosen.unit,
        summary=_summary(chosen, raw, write, threshold) if raw else "",
        score_name=name[0].upper() + name[1:],
        line=figures.line(numbers, current=current, threshold=threshold, is_share=is_share) if is_line else None,
        points=points,
        current_text=spoken(chosen, now),
        threshold=threshold,
        threshold_text="" if threshold is None else percent(threshold),
    )


def _x(value: Scalar) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _summary(
    feature: Feature, points: Sequence[CurvePoint], write: Callable[[float], str], threshold: float | None
) -> str:
    """The curve in words: its ends, and where it crosses the threshold."""
    low, high = min(points, key=lambda point: point.score), max(points, key=lambda point: point.score)
    if write(low.score) == write(high.score):
        return f"Whatever this is, the answer stays at {write(low.score)}."
    text = f"From {write(low.score)} at {spoken(feature, low.value)} to {write(high.score)} at {spoken(feature, high.value)}."
    if threshold is None:
        return text
    sides = [point.score >= threshold for point in points]
    if all(sides) or not any(sides):
        return f"{text} Always {'above' if sides[0] else 'below'} the threshold of {write(threshold)}."
    if feature.kind != "numeric":
        return text
    crossings = [points[i].value for i in range(1, len(points)) if sides[i] != sides[i - 1]]
    places = ", ".join(spoken(feature, value) for value in crossings[:3])
    more = f" and {len(crossings) - 3} more" if len(crossings) > 3 else ""
    return f"{text} It crosses the threshold of {write(threshold)} near {places}{more}."
