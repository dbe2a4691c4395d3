"""Whether answers of the prediction API are those that the bundle promises. Pure."""

from typing import Any

from pipeline.core.bundle import Golden, Manifest

TOLERANCE = 1e-5


def largest_difference(manifest: Manifest, answers: object) -> float:
    """The largest absolute difference over all golden rows; infinite where an answer is missing or of another version.

    Probabilities differ absolutely; a regression's value relative to its size where that is above 1.
    """
    if not isinstance(answers, list) or len(answers) != len(manifest.golden):
        return float("inf")
    differences = [
        _difference(manifest, golden, answer) for golden, answer in zip(manifest.golden, answers, strict=True)
    ]
    return max(differences, default=0.0)


def _difference(manifest: Manifest, golden: Golden, answer: Any) -> float:  # noqa: ANN401 - what the API said
    if not isinstance(answer, dict) or answer.get("model_version") != manifest.version:
        return float("inf")
    if golden.probabilities is None:
        expected, got = [golden.value], [answer.get("prediction")]
    else:
        named = answer.get("probabilities")
        expected = [*golden.probabilities]
        got = [named.get(label) for label in manifest.classes] if isinstance(named, dict) else []
    if len(expected) != len(got):
        return float("inf")
    return max((_apart(a, b) for a, b in zip(expected, got, strict=True)), default=0.0)


def _apart(expected: object, got: object) -> float:
    if not isinstance(expected, int | float) or not isinstance(got, int | float):
        return float("inf")
    difference = abs(expected - got) / max(1.0, abs(expected))
    # NaN is never close to anything.
    return difference if difference == difference else float("inf")  # noqa: PLR0124
