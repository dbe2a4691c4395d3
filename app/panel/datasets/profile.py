"""Reads the profile that a run made of the table. It is JSON: the panel needs no numpy for it."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.core.bundle import Histogram
from pipeline.core.stage import PROFILE_FILE, DataResult, read_result


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Category(_Record):
    """A value and the number of training rows that have it."""

    value: str
    count: int


class Column(_Record):
    """One column over the training rows, as `pipeline.features.profile.ColumnProfile` defines it."""

    name: str
    role: Literal["feature", "target", "dropped"]
    kind: str
    reason: str = ""
    missing: int
    missing_share: float
    distinct: int
    min: float | None = None
    max: float | None = None
    mean: float | None = None
    quantiles: dict[str, float] = {}
    histogram: Histogram | None = None
    categories: list[Category] = []

    @property
    def counts(self) -> list[int]:
        """Return the counts for a small histogram: of the bins, else of the most frequent values."""
        return self.histogram.counts if self.histogram else [category.count for category in self.categories[:20]]


class Profile(_Record):
    """The profile of one run's table."""

    n_rows: int
    n_train: int
    n_test: int
    columns: list[Column]


def read_profile(run_dir: Path) -> Profile | None:
    """Return the profile that a run left, None if it did not get so far or its data were deleted."""
    try:
        result = read_result(run_dir, "process_data", DataResult)
        return Profile.model_validate_json((result.processed_dir / PROFILE_FILE).read_bytes())
    except (OSError, ValidationError):
        return None
