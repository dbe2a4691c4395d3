"""Compares the training counts of the manifest with the live counts of the API. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from app.panel.drift.psi import expected_by_chance, merge_bins, psi
from pipeline.core.manifest import Feature, Manifest
from pipeline.core.prediction_api import CategoryCounts, NumericCounts, Stats

# With fewer rows, the index easily reaches 0.1 although nothing has changed.
MIN_ROWS: Final = 500
# Added to the threshold, in units of the index that chance alone gives for so many rows. Twice leaves one false alarm
# in a hundred at 80 training rows, and fewer above.
CHANCE_FACTOR: Final = 2.0

Verdict = Literal["none", "drift", "too few rows"]


@dataclass(frozen=True)
class FeatureDrift:
    """One feature, or the score. Counts are per bin of training data, or per category; shares are in [0, 1].

    `psi` is None while there are no rows; above `limit`, which is the threshold and an allowance for chance, the
    feature has drifted if there are enough rows. `outside_share`: live values out of range, or unseen categories.
    """

    name: str
    psi: float | None
    limit: float
    has_drifted: bool
    training: tuple[float, ...]
    live: tuple[float, ...]
    missing_share_training: float
    missing_share_live: float
    outside_share: float


@dataclass(frozen=True)
class DriftReport:
    """Live data of the live model since it went live, compared with its training data. `reason` is one sentence; the largest shift comes first."""

    version: int
    digest: str
    since: str
    n_rows: int
    threshold: float
    verdict: Verdict
    reason: str
    score: FeatureDrift
    features: tuple[FeatureDrift, ...]


def compare(manifest: Manifest, stats: Stats, threshold: float) -> DriftReport:
    """Return the comparison of the API's counts with the manifest of the same model.

    Raises KeyError or ValueError if `stats` are of another model.
    """
    n_rows = stats.n
    features = sorted(
        (
            _feature(feature, stats.features[feature.name], n_rows, threshold)
            for feature in manifest.features
            if feature.is_counted
        ),
        key=lambda each: -(each.psi or 0.0),
    )
    score = compare_counts("score", manifest.score_histogram.counts, stats.score.counts, n_rows, threshold)
    drifted = [each for each in [*features, score] if each.has_drifted]
    if n_rows < MIN_ROWS:
        verdict: Verdict = "too few rows"
        reason = f"{n_rows:,} rows so far; the comparison starts at {MIN_ROWS:,} rows."
    elif drifted:
        verdict = "drift"
        worst = max(drifted, key=lambda each: each.psi or 0.0)
        others = f", and {len(drifted) - 1} more" if len(drifted) > 1 else ""
        reason = f"{worst.name} has shifted (PSI {worst.psi:.2f}, limit {worst.limit:.2f}){others}."
    else:
        verdict = "none"
        highest = max([*features, score], key=lambda each: (each.psi or 0.0) / each.limit)
        reason = (
            f"{n_rows:,} rows look like the training rows "
            f"(highest PSI {highest.psi or 0.0:.2f}, limit {highest.limit:.2f})."
        )
    return DriftReport(
        version=stats.version,
        digest=stats.digest,
        since=stats.since,
        n_rows=n_rows,
        threshold=threshold,
        verdict=verdict,
        reason=reason,
        score=score,
        features=tuple(features),
    )


def _feature(feature: Feature, seen: NumericCounts | CategoryCounts, n_rows: int, threshold: float) -> FeatureDrift:
    live = seen.counts
    if isinstance(seen, CategoryCounts):
        # unseen categories are a bin of their own, which is empty in training
        training: list[float] = [*feature.category_counts, 0]
        live = [*live, seen.unseen]
        n_outside = seen.unseen
    else:
        training = list(feature.histogram.counts) if feature.histogram else []
        n_outside = seen.out_of_range
    return compare_counts(
        feature.name,
        training,
        live,
        n_rows,
        threshold,
        missing_share=feature.missing_share,
        n_missing=seen.missing,
        n_outside=n_outside,
    )


def compare_counts(
    name: str,
    training: Sequence[float],
    live: Sequence[float],
    n_rows: int,
    threshold: float,
    *,
    missing_share: float = 0.0,
    n_missing: int = 0,
    n_outside: int = 0,
) -> FeatureDrift:
    """Return the comparison of one feature's counts in training with those of `n_rows` live rows."""
    expected, actual = merge_bins(training, live)
    # missing values are a bin too: a client that stops sending a feature is a shift
    if missing_share < 1:
        expected.append(sum(training) * missing_share / (1 - missing_share))
        actual.append(n_missing)
    index = psi(expected, actual)
    limit = threshold + CHANCE_FACTOR * expected_by_chance(expected, actual)
    return FeatureDrift(
        name=name,
        psi=index,
        limit=limit,
        has_drifted=n_rows >= MIN_ROWS and index is not None and index > limit,
        training=tuple(training),
        live=tuple(live),
        missing_share_training=missing_share,
        missing_share_live=n_missing / n_rows if n_rows else 0.0,
        outside_share=n_outside / n_rows if n_rows else 0.0,
    )
