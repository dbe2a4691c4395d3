"""Collects one column from the pieces of the files, each piece in its final width as soon as it is read."""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.core.cells import MISSING_TOKENS
from pipeline.ingest.columns import Column, Hashes, NumberColumn, TextColumn, UnusableColumn, number_column

MAX_LABELS: Final = 500_000  # more distinct texts than this are not kept: the column is an ID or free text


@dataclass
class ColumnBuilder:
    """The pieces of one column: float32 values, or int32 positions in `positions`."""

    pieces: list[npt.NDArray[np.float32] | npt.NDArray[np.int32]] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=set)  # of "boolean", "number", "text": pieces without a value have none
    decimals: set[str] = field(default_factory=set)  # the marks that its texts are written with
    infinite: int = 0
    unusable_reason: str = ""  # why the values are not kept; `row_hashes` are then complete
    row_hashes: list[Hashes] = field(default_factory=list)

    @property
    def mixed(self) -> bool:
        """Return True where pieces differ in kind: then only the text of the files shows what the column holds."""
        return len(self.kinds) > 1 and not self.unusable_reason

    def add(self, piece: "pd.Series[Any]", decimal: str) -> None:
        """Append the next rows; `decimal` is the mark that their file writes numbers with."""
        if isinstance(piece.dtype, pd.CategoricalDtype):
            piece = piece.astype(object)
        reason = _unusable_reason(piece)
        if reason:
            self._keep_hashes_only(reason)
        if self.unusable_reason:
            self._add_hashes(piece)
        elif piece.isna().all():
            self.pieces.append(np.full(len(piece), np.nan, dtype=np.float32))
        elif piece.dtype.kind in "biuf":
            self._add_numbers(piece)
        else:
            self._add_texts(piece, decimal)

    def column(self, name: str) -> Column:
        """Return the column as it was read; texts are not parsed yet."""
        if self.unusable_reason:
            return UnusableColumn(name, np.concatenate(self.row_hashes), self.unusable_reason)
        if "text" in self.kinds:
            return self._text(name)
        return NumberColumn(name, np.concatenate(self.pieces), self.kinds == {"boolean"}, self.infinite)

    def _add_numbers(self, piece: "pd.Series[Any]") -> None:
        self.kinds.add("boolean" if piece.dtype.kind == "b" else "number")
        column = number_column("", piece.to_numpy(dtype=np.float64, na_value=np.nan))
        self.infinite += column.infinite
        self.pieces.append(column.values)

    def _add_texts(self, piece: "pd.Series[Any]", decimal: str) -> None:
        self.kinds.add("text")
        self.decimals.add(decimal or ".")
        codes, labels = pd.factorize(piece)
        self.pieces.append(np.array([*map(self._position, labels), -1], dtype=np.int32)[codes])
        if len(self.positions) > MAX_LABELS:
            self._keep_hashes_only(f"more than {MAX_LABELS:,} distinct values: looks like an ID or free text")

    def _text(self, name: str) -> TextColumn:
        codes = [p if p.dtype == np.int32 else np.full(len(p), -1, dtype=np.int32) for p in self.pieces]
        return TextColumn(name, np.concatenate(codes), list(self.positions))

    def _position(self, label: object) -> int:
        text = str(label).strip()
        return self.positions.setdefault(text, len(self.positions)) if text not in MISSING_TOKENS else -1

    def _keep_hashes_only(self, reason: str) -> None:
        """Keep one hash per row from here on, and of all rows so far."""
        if not self.unusable_reason and self.pieces:
            self.row_hashes.append(self._text("").hashes())
        self.unusable_reason = self.unusable_reason or reason
        self.pieces.clear()
        self.positions.clear()

    def _add_hashes(self, piece: "pd.Series[Any]") -> None:
        if piece.dtype == object:  # bytes would be decoded, which may fail
            piece = piece.map(lambda value: repr(value) if isinstance(value, bytes) else value, na_action="ignore")
        codes, labels = pd.factorize(piece.astype(str).str.strip().where(piece.notna()))
        positions = {str(label): code for code, label in enumerate(labels)}
        self.row_hashes.append(TextColumn("", codes.astype(np.int32), list(positions)).hashes())


def _unusable_reason(piece: "pd.Series[Any]") -> str:
    """Return why no model can use such values, or ""."""
    if piece.dtype.kind in "Mm":
        return "dates are not used; derive a number from them"
    first = piece.first_valid_index() if piece.dtype == object else None
    value = None if first is None else piece[first]
    if isinstance(value, bytes):
        return "binary values that are not text"
    return "nested values" if isinstance(value, list | dict | np.ndarray) else ""
