"""The profile that the last run made of the table, read for its page. The panel reads JSON; numpy stays out."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.core.bundle import Histogram
from pipeline.core.stage import DataResult, read_result


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Category(_Record):
    """A text and how many training rows have it."""

    value: str
    count: int


class Column(_Record):
    """One column over the training rows, as `pipeline.features.profile.ColumnProfile` says."""

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
        """Heights for a small histogram: of the bins, else of the most frequent texts."""
        return self.histogram.counts if self.histogram else [category.count for category in self.categories[:20]]


class Profile(_Record):
    """The table of one run."""

    n_rows: int
    n_train: int
    n_test: int
    columns: list[Column]


def read_profile(run_dir: Path) -> Profile | None:
    """The profile that a run left, None if it did not get so far or its data were tidied away."""
    try:
        result = read_result(run_dir, "process_data", DataResult)
        return Profile.model_validate_json((result.processed_dir / "profile.json").read_bytes())
    except (OSError, ValidationError):
        return None
