"""The profile of each column of a job, and the features as the bundle's manifest describes them."""

from collections.abc import Mapping

import numpy as np

from pipeline.core.manifest import Feature, Scalar
from pipeline.core.table_profile import ColumnProfile, Role
from pipeline.features.job import Job
from pipeline.features.profile import describe, to_feature
from pipeline.ingest.columns import FeatureColumn, NumberColumn
from pipeline.ingest.sample_table import MEANINGS

_EXAMPLE_ROWS = 20_000  # training rows among which the example is chosen


def profile_columns(job: Job) -> dict[str, ColumnProfile]:
    """Return the profile of each column over the training rows, in file order."""
    train = job.train
    profiles = {}
    for name, column in job.table.columns.items():
        reason = job.selection.dropped.get(name, "")
        role: Role = "dropped" if name in job.selection.dropped else "feature"
        profile = describe(column, train, "target" if name == job.target.name else role, reason)
        profiles[name] = profile.model_copy(update={"report": job.table.reports.get(name)})
    return profiles


def describe_features(job: Job, profiles: dict[str, ColumnProfile], words: Mapping[str, list[str]]) -> list[Feature]:
    """Return the features, those of texts with the `words` that the model looks for, with one training row as example, if possible one in which nothing is missing."""
    candidates = np.flatnonzero(job.train)[:_EXAMPLE_ROWS]
    n_missing = np.zeros(len(candidates), dtype=np.int64)
    for column in job.selection.features:
        n_missing += ~column.present[candidates]
    row = int(candidates[int(np.argmin(n_missing))])
    features = [
        _without_other_words(
            to_feature(profiles[column.name], _value(column, row)).model_copy(
                update={"reading": column.reading, "words": words.get(column.name, [])}
            )
        )
        for column in job.selection.features
    ]
    if not job.table.columns.keys() >= MEANINGS.keys():
        return features
    texts = {name: {"unit": unit, "description": meaning} for name, (unit, meaning) in MEANINGS.items()}
    return [feature.model_copy(update=texts.get(feature.name, {})) for feature in features]


def _without_other_words(feature: Feature) -> Feature:
    """Return the feature with the words of its example that the model looks for: the others are a person's own."""
    if feature.kind != "text":
        return feature
    return feature.model_copy(update={"example": feature.known_words(str(feature.example or "")) or None})


def _value(column: FeatureColumn, row: int) -> Scalar:
    if not isinstance(column, NumberColumn):
        return str(column.texts(slice(row, row + 1))[0]) or None
    value = float(column.values[row])
    if np.isnan(value):
        return None
    if column.boolean:
        return bool(value)
    # The shortest number that is the same float32: 0.1, not 0.10000000149.
    return int(value) if value.is_integer() and abs(value) < 2**53 else float(str(column.values[row]))
