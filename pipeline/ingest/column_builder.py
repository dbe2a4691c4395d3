"""Collects one column from the pieces of the files, each piece in its final width as soon as it is read."""

import re
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.core.cells import SWAP_MARKS, Reading
from pipeline.core.params import ColumnOptions
from pipeline.ingest import text_reading
from pipeline.ingest.columns import (
    SECONDS_PER_DAY,
    Column,
    Hashes,
    NumberColumn,
    TextColumn,
    UnusableColumn,
    number_column,
)
from pipeline.ingest.number_columns import LONG_NUMBER
from pipeline.ingest.parsed_texts import ParsedTexts
from pipeline.ingest.untyped import NO_OPTIONS, Circumstances

FIRST_DAY: Final = 19_000_101
LAST_DAY: Final = 21_000_101
TIME_OF_DAY: Final = 1_000_000
MAX_LABELS: Final = 500_000  # more distinct texts than this are kept only if they are texts of several words
MAX_CHARACTERS: Final = 400_000_000  # of the distinct texts of several words that are kept
_MARKED_NUMBER: Final = re.compile(r"[-+]?[\d.,]*[.,][\d.,]*%?", re.ASCII)


@dataclass
class ColumnBuilder:
    """The pieces of one column: float32 values, or int32 positions in `positions`.

    Texts are kept as they are written, without blanks around them; the words for missing are told apart when all of them
    are known. More distinct numbers or dates than texts are kept go to `parsed` at once. `options` are what a person decided.
    `keeps_exact`: numbers are also kept as float64.
    """

    name: str
    file_mark: str = ""
    delimiter: str = ","
    options: ColumnOptions = NO_OPTIONS
    pieces: list[npt.NDArray[np.float32] | npt.NDArray[np.int32]] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=set)  # of "boolean", "number", "text": pieces without a value have none
    keeps_exact: bool = False
    exact: list[npt.NDArray[np.float64] | None] = field(default_factory=list)  # None for a piece that float32 holds
    infinite: int = 0
    has_fractions: bool = False
    has_only_days: bool = True  # whole numbers such as 20200131
    has_long_numbers: bool = False  # whole ones that even float64 rounds
    parsed: ParsedTexts | None = None
    are_texts: bool = False
    unusable_reason: str = ""  # why the values are not kept; `row_hashes` are then complete
    row_hashes: list[Hashes] = field(default_factory=list)

    @property
    def exact_numbers(self) -> npt.NDArray[np.float64] | None:
        """Return the numbers before they were rounded to float32; None if none was, if it was not to keep them, or if there are
        texts.
        """
        if not self.keeps_exact or self.kinds != {"number"} or all(piece is None for piece in self.exact):
            return None
        pairs = zip(self.exact, self.pieces, strict=True)
        return np.concatenate([rounded.astype(np.float64) if exact is None else exact for exact, rounded in pairs])

    @property
    def mixed(self) -> bool:
        """Return True where pieces differ in kind: then only the text of the files shows what the column holds."""
        return len(self.kinds) > 1 and not self.unusable_reason

    @property
    def may_be_dates(self) -> bool:
        """Return True where each number is written like a day, so that only the text shows whether it is one."""
        return self.has_only_days and self.kinds == {"number"} and not self.has_fractions

    @property
    def is_whole(self) -> bool:
        """Return True where no number has a fraction."""
        return not self.has_fractions

    def add(self, piece: "pd.Series[Any]", swaps_marks: bool = False) -> None:
        """Append the next rows; with `swaps_marks`, their file has the other decimal mark than the first one."""
        if isinstance(piece.dtype, pd.CategoricalDtype):
            piece = piece.astype(object)
        if piece.dtype.kind == "M":
            piece = _iso_texts(piece)
        elif piece.dtype.kind == "m":
            piece = piece.dt.total_seconds() / SECONDS_PER_DAY
        reason = _unusable_reason(piece)
        if reason:
            self._keep_hashes_only(reason)
        if self.unusable_reason:
            self._add_hashes(piece)
        elif piece.isna().all():
            self._add_nothing(len(piece))
        elif piece.dtype.kind in "biuf":
            self._add_numbers(piece)
        else:
            self._add_texts(piece, swaps_marks)

    def column(self) -> Column:
        """Return the column as it was read; texts are not parsed yet."""
        if self.unusable_reason:
            return UnusableColumn(self.name, np.concatenate(self.row_hashes), self.unusable_reason)
        if self.parsed is not None:
            return self.parsed.column()
        if "text" in self.kinds:
            return self._text()
        reading = Reading(self.file_mark or ".")
        return NumberColumn(self.name, np.concatenate(self.pieces), self.kinds == {"boolean"}, self.infinite, reading)

    def warnings(self) -> list[str]:
        """Return what the log should say of texts that were parsed at once."""
        return [] if self.parsed is None else self.parsed.warnings()

    def _add_nothing(self, n_rows: int) -> None:
        if self.parsed is not None:
            self.parsed.add([], np.full(n_rows, -1))
            return
        self.pieces.append(np.full(n_rows, np.nan, dtype=np.float32))
        self.exact.append(None)

    def _add_numbers(self, piece: "pd.Series[Any]") -> None:
        self.kinds.add("boolean" if piece.dtype.kind == "b" else "number")
        values = piece.to_numpy(dtype=np.float64, na_value=np.nan)
        self.has_only_days = self.has_only_days and _are_days(values)
        if piece.dtype.kind in "iu":
            self.has_long_numbers = self.has_long_numbers or max(values.max(), -values.min()) >= LONG_NUMBER
        column = number_column("", values)
        if (
            piece.dtype.kind == "f"
            and max(np.fmax.reduce(column.values), -np.fmin.reduce(column.values)) >= LONG_NUMBER
        ):
            self.has_long_numbers = True  # with gaps whole numbers come as float64, which has rounded them
        if self.keeps_exact:
            is_exact = np.array_equal(column.values, values, equal_nan=True)
            self.exact.append(None if is_exact else values)
        self.infinite += column.infinite
        self.has_fractions = self.has_fractions or (piece.dtype.kind == "f" and not _is_whole(column.values))
        self.pieces.append(column.values)

    def _add_texts(self, piece: "pd.Series[Any]", swaps_marks: bool) -> None:
        self.kinds.add("text")
        codes, labels = pd.factorize(piece)
        texts = [str(label).strip() for label in labels]
        if swaps_marks:
            texts = [text.translate(SWAP_MARKS) if _MARKED_NUMBER.fullmatch(text) else text for text in texts]
        if self.parsed is not None:
            self.parsed.add(texts, codes)
            return
        self.pieces.append(np.array([*map(self._position, texts), -1], dtype=np.int32)[codes])
        if len(self.positions) > MAX_LABELS:
            self._judge_labels()

    def _text(self) -> TextColumn:
        codes = [p if p.dtype == np.int32 else np.full(len(p), -1, dtype=np.int32) for p in self.pieces]
        return TextColumn(self.name, np.concatenate(codes), list(self.positions))

    def _position(self, text: str) -> int:
        return self.positions.setdefault(text, len(self.positions)) if text else -1

    def _judge_labels(self) -> None:
        """Make texts that are too many numbers or dates if they are some; keep those of several words; of others keep hashes."""
        if self.are_texts:
            if sum(map(len, self.positions)) > MAX_CHARACTERS:
                self._keep_hashes_only(f"texts of more than {MAX_CHARACTERS:,} characters")
            return
        labels, kind = list(self.positions), self.options.kind
        circumstances = Circumstances(self.options, self.file_mark, self.delimiter)
        self.parsed = ParsedTexts.of(self.name, labels, circumstances)
        if self.parsed is not None:
            self.parsed.add(labels, self._text().codes.astype(np.intp))
            self.positions.clear()
            self.pieces.clear()
        elif kind == "text" or (kind == "auto" and text_reading.are_texts(self.name, labels)):
            self.are_texts = True
        else:
            self._keep_hashes_only(
                f"more than {MAX_LABELS:,} distinct values without words in common: looks like an ID"
            )

    def _keep_hashes_only(self, reason: str) -> None:
        """Keep one hash per row from here on, and of all rows so far."""
        if not self.unusable_reason and (self.pieces or self.parsed):
            self.row_hashes.append((self.parsed.column() if self.parsed else self._text()).hashes())
            self.parsed = None
        self.unusable_reason = self.unusable_reason or reason
        self.pieces.clear()
        self.positions.clear()

    def _add_hashes(self, piece: "pd.Series[Any]") -> None:
        if piece.dtype == object:  # bytes would be decoded, which may fail
            piece = piece.map(lambda value: repr(value) if isinstance(value, bytes) else value, na_action="ignore")
        codes, labels = pd.factorize(piece.astype(str).str.strip().where(piece.notna()))
        positions = {str(label): code for code, label in enumerate(labels)}
        self.row_hashes.append(TextColumn("", codes.astype(np.int32), list(positions)).hashes())


def _are_days(values: npt.NDArray[np.float64]) -> bool:
    """Return whether all numbers are written like days, such as 20200131, or like moments, 20200131140500; NaN is missing."""
    for part in (values[:100], values):  # nearly always the first are none
        present = part[np.isfinite(part)]
        if len(present) and present[0] >= FIRST_DAY * TIME_OF_DAY:
            present = present // TIME_OF_DAY
        if len(present) and not FIRST_DAY <= present[0] < LAST_DAY:
            return False
    months, days = present // 100 % 100, present % 100
    is_day = (present >= FIRST_DAY) & (present < LAST_DAY) & (months >= 1) & (months <= 12) & (days >= 1) & (days <= 31)
    return bool(is_day.all())


def _is_whole(values: npt.NDArray[np.float32]) -> bool:
    for part in (values[:100], values):  # a fraction is nearly always among the first
        present = part[~np.isnan(part)]
        if not np.all(present == np.floor(present)):
            return False
    return True


def _iso_texts(piece: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return times as `YYYY-MM-DDThh:mm:ss` texts in UTC, missing ones as None."""
    moments = piece.dt.tz_convert("UTC").dt.tz_localize(None) if piece.dt.tz is not None else piece
    codes, distinct = pd.factorize(moments)
    texts = np.array([*(moment.isoformat(timespec="seconds") for moment in distinct), None], dtype=object)
    return pd.Series(texts[codes], index=piece.index, dtype=object)


def _unusable_reason(piece: "pd.Series[Any]") -> str:
    """Return why no model can use such values, or ""."""
    first = piece.first_valid_index() if piece.dtype == object else None
    value = None if first is None else piece[first]
    if isinstance(value, bytes):
        return "binary values that are not text"
    return "nested values" if isinstance(value, list | dict | np.ndarray) else ""
