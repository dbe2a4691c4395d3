"""The input of preprocessing: a table without rows that lack the target, its split, and the chosen features."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.core.params import Params
from pipeline.features.expressions import Derived, built_in, parse_all
from pipeline.features.selection import Selection
from pipeline.features.split import Split
from pipeline.features.target import Target
from pipeline.ingest.columns import DateColumn, NumberColumn, Table, TextColumn

BATCH_ROWS: Final = 65_536  # fits into the cache, and bounds the memory that the graph needs beside the table

Floats = npt.NDArray[np.float32]
Texts = npt.NDArray[np.object_]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class HeldOut:
    """The rows of the table that the live model with `digest` was not trained on."""

    rows: Mask
    digest: str


@dataclass(frozen=True)
class Job:
    """Everything that a processed set is made from. `target` has a value for each row of `table`.

    `leakage` are the features that give the target away, each with a clause that says how; `champion_leakage` are those that
    only the live model has.
    """

    table: Table
    target: Target
    split: Split
    selection: Selection
    params: Params
    held_out: HeldOut | None = None
    leakage: dict[str, str] = field(default_factory=dict)
    champion_leakage: dict[str, str] = field(default_factory=dict)

    @property
    def train(self) -> Mask:
        """Return the training rows, validation rows included."""
        return ~self.split.test

    @property
    def numeric(self) -> list[NumberColumn]:
        """Return the features of the graph's numeric input, in order."""
        return [column for column in self.selection.features if isinstance(column, NumberColumn)]

    @property
    def texts(self) -> list[TextColumn | DateColumn]:
        """Return the features of the graph's categorical input, in order."""
        return [column for column in self.selection.features if isinstance(column, TextColumn | DateColumn)]

    def derived(self) -> list[Derived]:
        """Return the derived features that apply. Raises DataError DATA-20, DATA-21 or DATA-22 for a bad declaration."""
        numeric = [column.name for column in self.numeric]
        if self.params.derived_features is None:
            return [feature for feature in built_in(numeric) if feature.name not in self.table.columns]
        return parse_all(self.params.derived_features, numeric, self.table.columns)

    def batches(self) -> Iterator[slice]:
        """Yield slices that cover the rows of the table in order."""
        for start in range(0, self.table.n_rows, BATCH_ROWS):
            yield slice(start, min(start + BATCH_ROWS, self.table.n_rows))

    def numeric_rows(self, batch: slice) -> Floats:
        """Return the numeric input of the graph, float32 [n, k], NaN where missing."""
        columns = self.numeric
        values = np.empty((batch.stop - batch.start, len(columns)), dtype=np.float32)
        for i, column in enumerate(columns):
            values[:, i] = column.values[batch]
        return values

    def text_rows(self, batch: slice) -> Texts:
        """Return the categorical input of the graph, str [n, m], "" where missing."""
        columns = self.texts
        values = np.empty((batch.stop - batch.start, len(columns)), dtype=object)
        for i, column in enumerate(columns):
            values[:, i] = column.texts(batch)
        return values
