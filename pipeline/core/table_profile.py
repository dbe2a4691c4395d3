"""The profile of a table, as process_data writes it and the panel's Data page reads it (`PROFILE_FILE`).

Readers ignore members that they do not know, so that the profile of a run of another version can be read.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from pipeline.core.cells import PLAIN, Reading
from pipeline.core.manifest import Histogram

Role = Literal["feature", "target", "dropped"]


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Category(_Record):
    """A category, or the text of a cell, and its number of rows."""

    value: str
    count: int


class ColumnReport(_Record):
    """How one column of the raw table was read: its kind, `examples` of its cells as they are written, and in words whatever
    a person would not expect.

    `missing` are the words that were read as "nothing", `unread` the cells that do not fit and count as missing, each with
    its number of rows. `kind` is "skipped" for a column that only numbers the rows.
    """

    name: str
    kind: Literal["numeric", "boolean", "categorical", "date", "text", "other", "skipped"]
    reading: Reading = PLAIN
    examples: list[str] = []
    remarks: list[str] = []
    missing: list[Category] = []
    unread: list[Category] = []


class ColumnProfile(_Record):
    """One column over the training rows. Numeric statistics are None for other kinds and for columns without values.

    `distinct` counts distinct values without missing ones. The keys of `quantiles` are shares, as text. `categories`
    are the most frequent ones, most frequent first; of texts the words that most rows have. `reason` says why a column is dropped. `report` says how it was read.
    `earliest`, `middle` and `latest` are of dates, whose histogram is over days since 1970.
    """

    name: str
    role: Role
    kind: Literal["numeric", "boolean", "categorical", "date", "text", "other"]
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
    earliest: str = ""
    middle: str = ""
    latest: str = ""
    report: ColumnReport | None = None


class Profile(_Record):
    """The whole table: rows in total and per set, and each column in file order."""

    n_rows: int
    n_train: int
    n_test: int
    columns: list[ColumnProfile]
