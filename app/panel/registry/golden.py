"""Compares predictions of the API with those of the golden rows in the bundle. Pure."""

from collections.abc import Sequence

from pipeline.core.manifest import Golden, Manifest, Scalar
from pipeline.core.prediction_api import Prediction


def largest_difference(manifest: Manifest, predictions: Sequence[Prediction]) -> float:
    """Return the largest absolute difference over all golden rows.

    It is infinite where a prediction is missing or of another version. Probabilities differ absolutely; a
    regression's value relative to its size where that is above 1.
    """
    if len(predictions) != len(manifest.golden):
        return float("inf")
    differences = [
        _difference(manifest, golden, prediction)
        for golden, prediction in zip(manifest.golden, predictions, strict=True)
    ]
    return max(differences, default=0.0)


def _difference(manifest: Manifest, golden: Golden, prediction: Prediction) -> float:
    if prediction.model_version != manifest.version:
        return float("inf")
    if golden.probabilities is None:
        return _relative_difference(golden.value, prediction.prediction)
    if len(golden.probabilities) != len(manifest.classes):
        return float("inf")
    return max(
        (
            _relative_difference(expected, prediction.probabilities.get(label))
            for expected, label in zip(golden.probabilities, manifest.classes, strict=True)
        ),
        default=0.0,
    )


def _relative_difference(expected: Scalar, actual: Scalar) -> float:
    if not isinstance(expected, int | float) or not isinstance(actual, int | float):
        return float("inf")
    difference = abs(expected - actual) / max(1.0, abs(expected))
    # NaN is never close to anything.
    return difference if difference == difference else float("inf")  # noqa: PLR0124
