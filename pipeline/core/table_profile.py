"""The profile of a table, as process_data writes it and the panel's Data page reads it (`PROFILE_FILE`).

Readers ignore members that they do not know, so that the profile of a run of another version can be read.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from pipeline.core.bundle import Histogram

Role = Literal["feature", "target", "dropped"]


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Category(_Record):
    """A category and its number of training rows."""

    value: str
    count: int


class ColumnProfile(_Record):
    """One column over the training rows. Numeric statistics are None for other kinds and for columns without values.

    `distinct` counts distinct values without missing ones. The keys of `quantiles` are shares, as text. `categories`
    are the most frequent ones, most frequent first. `reason` says why a column is dropped.
    """

    name: str
    role: Role
    kind: Literal["numeric", "boolean", "categorical", "other"]
    reason: str = ""
    missing: int
    missing_share: float
    distinct: int
    integer: bool = False
    min: float | None = None
    max: float | None = None
    mean: float | None = None
    std: float | None = None
    quantiles: dict[str, float] = {}
    histogram: Histogram | None = None
    categories: list[Category] = []


class Profile(_Record):
    """The whole table: rows in total and per set, and each column in file order."""

    n_rows: int
    n_train: int
    n_test: int
    columns: list[ColumnProfile]
