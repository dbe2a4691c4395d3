"""The score as a function of one feature: a line for a number, bars for a category. Pure."""

from collections.abc import Callable, Sequence

from app.frontend.chart_layout import layout_curve
from app.frontend.form import Form, Option, cell_text
from app.frontend.labels import class_label, column_label, value_text
from app.frontend.result_view import score_of
from app.frontend.views import CurveRow, WhatIf
from app.web.formats import percent, short_number
from pipeline.core.manifest import Feature, Manifest, Scalar
from pipeline.core.prediction_api import Curve, CurvePoint, Prediction
from pipeline.core.sentences import listed

FormatScore = Callable[[float], str]


def build_what_if(manifest: Manifest, form: Form, feature: Feature, *, curve: Curve, prediction: Prediction) -> WhatIf:
    """Return the score over `feature`, with the row's own value and the threshold marked."""
    is_share = manifest.task != "regression"
    format_score = percent if is_share else short_number
    threshold = prediction.threshold if manifest.task == "binary" else None
    value = (form.record or {}).get(feature.name)
    rows = _build_rows(feature, curve.points, value, is_share=is_share)
    numbers = [(row.x, row.score) for row in rows if row.x is not None]
    has_line = feature.kind == "numeric" and len(numbers) > 1
    x = _number(value)
    current = None if x is None else (x, score_of(manifest, prediction))
    score_name = _score_name(manifest, prediction)
    return WhatIf(
        options=tuple(
            Option(each.name, column_label(each.name), each.name == feature.name)
            for each in manifest.features
            if each.kind != "text"
        ),
        field_id=next(field.id for field in form.fields if field.feature == feature.name),
        label=column_label(feature.name),
        unit=feature.unit,
        summary=_summarize(feature, curve.points, format_score, threshold) if rows else "",
        score_name=score_name[0].upper() + score_name[1:],
        line=layout_curve(numbers, current=current, threshold=threshold, is_share=is_share) if has_line else None,
        rows=rows,
        current_text=value_text(feature, value),
        threshold=threshold,
        threshold_text="" if threshold is None else percent(threshold),
    )


def _build_rows(
    feature: Feature, points: Sequence[CurvePoint], value: Scalar, *, is_share: bool
) -> tuple[CurveRow, ...]:
    scores = [point.score for point in points]
    bottom = 0.0 if is_share else min([0.0, *scores])
    span = (1.0 if is_share else max(scores, default=0.0) - bottom) or 1.0
    format_score = percent if is_share else short_number
    return tuple(
        CurveRow(
            value=value_text(feature, point.value),
            input_text=cell_text(feature, point.value),
            score_text=format_score(point.score),
            x=_number(point.value),
            score=point.score,
            is_current=point.value == value,
            width=round(100 * (point.score - bottom) / span, 2),
        )
        for point in points
    )


def _score_name(manifest: Manifest, prediction: Prediction) -> str:
    if manifest.task == "regression":
        return manifest.target
    label = class_label(prediction.prediction, manifest.classes)
    return f"probability of {manifest.classes[1] if manifest.task == 'binary' else label}"


def _number(value: Scalar) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _summarize(
    feature: Feature, points: Sequence[CurvePoint], format_score: FormatScore, threshold: float | None
) -> str:
    """Return the curve in words: its lowest and highest score, and where it crosses the threshold."""
    low, high = min(points, key=lambda point: point.score), max(points, key=lambda point: point.score)
    lowest, highest = format_score(low.score), format_score(high.score)
    if lowest == highest:
        return f"The prediction is {lowest} whatever the value."
    text = f"From {lowest} at {value_text(feature, low.value)} to {highest} at {value_text(feature, high.value)}."
    if threshold is None:
        return text
    is_above = [point.score >= threshold for point in points]
    if all(is_above) or not any(is_above):
        return f"{text} Always {'above' if is_above[0] else 'below'} the threshold of {format_score(threshold)}."
    if feature.kind != "numeric":
        return text
    crossings = [points[i].value for i in range(1, len(points)) if is_above[i] != is_above[i - 1]]
    places = listed([value_text(feature, value) for value in crossings], 3)
    return f"{text} Crosses the threshold of {format_score(threshold)} near {places}."
