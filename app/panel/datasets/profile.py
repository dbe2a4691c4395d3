"""Reads the profile that a run made of the table. It is JSON: the panel needs no numpy for it."""

from pathlib import Path
from typing import Final

from pydantic import ValidationError

from pipeline.core.stage import PROFILE_FILE, DataResult, read_result
from pipeline.core.table_profile import ColumnProfile, Profile

MAX_BARS: Final = 20


def read_profile(run_dir: Path) -> Profile | None:
    """Return the profile that a run left, None if it did not get so far or its data were deleted."""
    try:
        result = read_result(run_dir, "process_data", DataResult)
        return Profile.model_validate_json((result.processed_dir / PROFILE_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def bar_counts(column: ColumnProfile) -> list[int]:
    """Return the counts for a small histogram: of the bins, else of the most frequent values."""
    if column.histogram:
        return column.histogram.counts
    return [category.count for category in column.categories[:MAX_BARS]]
