"""One prediction as the page shows it: a sentence, its score and a chart. Pure."""

from typing import Final

from app.frontend.chart_layout import layout_distribution, layout_gauge, rank_below
from app.frontend.labels import class_label, column_label, number_text, value_text
from app.frontend.views import ClassBar, Reasons, Result, WhatIf
from app.web.formats import percent, short_number
from pipeline.core.manifest import Feature, Manifest
from pipeline.core.prediction_api import Prediction
from pipeline.core.sentences import plural

MAX_CLASSES: Final = 12


def score_of(manifest: Manifest, prediction: Prediction) -> float:
    """Return the number that explanations and curves are about: as in `Manifest.score_histogram`."""
    if manifest.task == "regression":
        return float(prediction.prediction)
    if manifest.task == "binary":
        return prediction.probabilities[manifest.classes[1]]
    return max(prediction.probabilities.values())


def build_result(
    manifest: Manifest,
    prediction: Prediction,
    *,
    link: str,
    reasons: Reasons | None,
    what_if: WhatIf | None,
    notes: tuple[str, ...] = (),
) -> Result:
    """Return the view of one prediction with its explanation and its curve; `notes` are shown as warnings."""
    score = score_of(manifest, prediction)
    threshold = prediction.threshold if manifest.task == "binary" else None
    label = class_label(prediction.prediction, manifest.classes)
    is_regression = manifest.task == "regression"
    texts = {feature.name for feature in manifest.features if feature.kind == "text"}
    return Result(
        sentence=result_sentence(manifest, prediction),
        score_text=short_number(score) if is_regression else percent(score),
        caption=_build_caption(manifest, label),
        gauge=layout_gauge(score, threshold) if manifest.task == "binary" else None,
        threshold_text="" if threshold is None else percent(threshold),
        classes=_build_class_bars(prediction, label) if manifest.task == "multiclass" else (),
        distribution=layout_distribution(manifest.score_histogram, score) if is_regression else None,
        imputed=tuple(
            (column_label(feature.name), _typical_text(feature))
            for feature in manifest.features
            if feature.name in prediction.imputed
        ),
        unseen=tuple(column_label(name) for name in prediction.unseen if name not in texts),
        unknown_texts=tuple(column_label(name) for name in prediction.unseen if name in texts),
        version=prediction.model_version,
        request_id=prediction.request_id,
        link=link,
        reasons=reasons,
        what_if=what_if,
        notes=notes,
    )


def result_sentence(manifest: Manifest, prediction: Prediction) -> str:
    """Return the whole prediction in one sentence."""
    label = class_label(prediction.prediction, manifest.classes)
    score = score_of(manifest, prediction)
    if manifest.task == "regression":
        rank = _rank_text(rank_below(manifest.score_histogram, score))
        return f"The model predicts {short_number(score)} for {manifest.target}: {rank}."
    if manifest.task == "multiclass":
        ranked = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
        others = [(name, share) for name, share in ranked if name != label]
        second = f"; next most likely is {others[0][0]} ({percent(others[0][1])})" if others else ""
        return f"The model predicts {label} for {manifest.target}: probability {percent(score)}{second}."
    positive = manifest.classes[1]
    subject = "probability" if label == positive else f"the probability of {positive} is"
    text = f"The model predicts {label} for {manifest.target}: {subject} {percent(score)}"
    if prediction.threshold is None:
        return f"{text}."
    return f"{text}, {threshold_side(score, prediction.threshold)} the threshold of {percent(prediction.threshold)}."


def threshold_side(score: float, threshold: float) -> str:
    """Return on which side of the threshold the score is, also where both are written alike."""
    if percent(score) == percent(threshold):
        return "just at or above" if score >= threshold else "just below"
    return "above" if score >= threshold else "below"


def _build_caption(manifest: Manifest, label: str) -> str:
    if manifest.task == "regression":
        return f"predicted {manifest.target}"
    shown = label if manifest.task == "multiclass" else manifest.classes[1]
    return f"probability of {manifest.target} = {shown}"


def _rank_text(share: float) -> str:
    if share < 0.005:
        return "lower than for nearly all test rows"
    if share > 0.995:
        return "higher than for nearly all test rows"
    return f"higher than for {share * 100:.0f}% of the test rows"


def _typical_text(feature: Feature) -> str:
    if feature.kind == "numeric" and feature.median is not None:
        return f"median {number_text(feature, feature.median)}"
    if feature.kind == "categorical" and feature.categories:
        return f"most often {value_text(feature, feature.categories[0])}"
    return ""


def _build_class_bars(prediction: Prediction, label: str) -> tuple[ClassBar, ...]:
    ranked = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
    bars = [ClassBar(name, percent(share), round(share * 100, 2), name == label) for name, share in ranked]
    others = ranked[MAX_CLASSES:]
    if others:
        share = sum(value for _, value in others)
        rest = ClassBar(plural(len(others), "other"), percent(share), round(share * 100, 2), False)
        bars = [*bars[:MAX_CLASSES], rest]
    return tuple(bars)
