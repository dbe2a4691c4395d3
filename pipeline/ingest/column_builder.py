"""Collects one column from the pieces of the files, each piece in its final width as soon as it is read."""

import dataclasses
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.core.cells import Reading
from pipeline.core.params import ColumnOptions
from pipeline.core.sentences import plural
from pipeline.ingest import date_reading, number_reading, text_reading
from pipeline.ingest.columns import (
    SECONDS_PER_DAY,
    Column,
    DateColumn,
    Hashes,
    Moments,
    NumberColumn,
    TextColumn,
    UnusableColumn,
    number_column,
    number_hashes,
    text_hashes,
)
from pipeline.ingest.date_columns import DATE_SHARE
from pipeline.ingest.number_columns import LONG_NUMBER, NUMBER_SHARE, has_leading_zeros
from pipeline.ingest.untyped import MAX_MISSING_WORDS, NO_OPTIONS

FIRST_DAY: Final = 19_000_101
LAST_DAY: Final = 21_000_101
TIME_OF_DAY: Final = 1_000_000
MAX_LABELS: Final = 500_000  # more distinct texts than this are kept only if they are texts of several words
MAX_CHARACTERS: Final = 400_000_000  # of the distinct texts of several words that are kept
_MARKED_NUMBER: Final = re.compile(r"[-+]?[\d.,]*[.,][\d.,]*%?", re.ASCII)
_SWAP_MARKS: Final = str.maketrans(",.", ".,")


@dataclass
class ColumnBuilder:
    """The pieces of one column: float32 values, int32 positions in `positions`, or moments.

    Texts are kept as they are written, without blanks around them; the words for missing are told apart when all of them
    are known. Texts of more distinct numbers or dates than are kept become numbers or dates at once, as `reading` says, and
    `row_hashes` are those of the dates; `options` are what a person decided.
    `keeps_exact`: numbers are also kept as float64.
    """

    name: str = ""
    file_mark: str = ""
    delimiter: str = ","
    options: ColumnOptions = NO_OPTIONS
    pieces: list[npt.NDArray[np.float32] | npt.NDArray[np.int32] | Moments] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=set)  # of "boolean", "number", "text": pieces without a value have none
    keeps_exact: bool = False
    exact: list[npt.NDArray[np.float64] | None] = field(default_factory=list)  # None for a piece that float32 holds
    infinite: int = 0
    has_fractions: bool = False
    has_only_days: bool = True  # whole numbers such as 20200131
    has_long_numbers: bool = False  # whole ones that even float64 rounds
    reading: Reading | None = None
    are_dates: bool = False
    are_texts: bool = False
    doubt: str = ""
    unread: Counter[str] = field(default_factory=Counter)
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
            self.pieces.append(self._nothing(len(piece)))
            self.exact.append(None)
        elif piece.dtype.kind in "biuf":
            self._add_numbers(piece)
        else:
            self._add_texts(piece, swaps_marks)

    def column(self, name: str) -> Column:
        """Return the column as it was read; texts are not parsed yet."""
        if self.unusable_reason:
            return UnusableColumn(name, np.concatenate(self.row_hashes), self.unusable_reason)
        if reason := self._misjudged():
            hashes = np.concatenate(self.row_hashes) if self.are_dates else number_hashes(np.concatenate(self.pieces))
            return UnusableColumn(name, hashes, reason)
        if self.reading is not None:
            # The same words are missing in a request; where there are too many of them, each is an error there.
            words = tuple(self.unread) if len(self.unread) <= MAX_MISSING_WORDS else ()
            missing = tuple(dict.fromkeys((*self.options.missing, *words)))
            reading = dataclasses.replace(self.reading, missing=missing)
            values: Any = np.concatenate(self.pieces)
            if self.are_dates:
                return DateColumn(name, values, np.concatenate(self.row_hashes), reading)
            return NumberColumn(name, values, False, self.infinite, reading)
        if "text" in self.kinds:
            return self._text(name)
        reading = Reading(self.file_mark or ".")
        return NumberColumn(name, np.concatenate(self.pieces), self.kinds == {"boolean"}, self.infinite, reading)

    def warnings(self, name: str) -> list[str]:
        """Return what the log should say of texts that became numbers at once."""
        n_rows = sum(self.unread.values())
        doubt = [f"Column {name!r}: {self.doubt}."] if self.doubt else []
        if not n_rows:
            return doubt
        examples = ", ".join(repr(text) for text, _ in self.unread.most_common(3))
        return [*doubt, f"Column {name!r}: {plural(n_rows, *self._odd_kind)} treated as missing ({examples})."]

    def _misjudged(self) -> str:
        """Return why texts that were taken for numbers or dates by the first ones cannot be used as such, or ""."""
        if self.reading is None or self.options.kind != "auto":
            return ""
        n_unread = sum(self.unread.values())
        n_read = sum(int((~np.isnan(piece)).sum()) for piece in self.pieces)
        if n_unread <= (1 - (DATE_SHARE if self.are_dates else NUMBER_SHARE)) * (n_unread + n_read):
            return ""
        return f"{'dates' if self.are_dates else 'numbers'} and {n_unread:,} values that are none"

    @property
    def _odd_kind(self) -> tuple[str, str]:
        if self.are_dates:
            return "value that is no date", "values that are no dates"
        return "non-numeric value", "non-numeric values"

    def _nothing(self, n_rows: int) -> npt.NDArray[np.float32] | Moments:
        if self.are_dates:
            self.row_hashes.append(np.zeros(n_rows, dtype=np.uint64))
            return np.full(n_rows, np.datetime64("NaT", "s"))
        return np.full(n_rows, np.nan, dtype=np.float32)

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
            texts = [text.translate(_SWAP_MARKS) if _MARKED_NUMBER.fullmatch(text) else text for text in texts]
        if self.reading is not None:
            self._add_parsed(texts, codes, self.reading)
            return
        self.pieces.append(np.array([*map(self._position, texts), -1], dtype=np.int32)[codes])
        if len(self.positions) > MAX_LABELS:
            self._judge_labels()

    def _add_parsed(self, texts: list[str], codes: npt.NDArray[np.intp], reading: Reading) -> None:
        values, unread = (date_reading if self.are_dates else number_reading).parse(texts, reading)
        counts = np.bincount(codes[codes >= 0], minlength=len(texts))
        self.unread.update({texts[i]: int(counts[i]) for i in np.flatnonzero(unread).tolist()})
        if self.are_dates:
            moments = np.append(values, np.datetime64("NaT", "s"))[codes]
            self.pieces.append(moments)
            self.row_hashes.append(np.where(np.isnat(moments), np.uint64(0), text_hashes(texts)[codes]))
            return
        column = number_column("", np.append(values, np.nan)[codes])
        self.infinite += column.infinite
        self.pieces.append(column.values)

    def _text(self, name: str) -> TextColumn:
        codes = [p if p.dtype == np.int32 else np.full(len(p), -1, dtype=np.int32) for p in self.pieces]
        return TextColumn(name, np.concatenate(codes), list(self.positions))

    def _position(self, text: str) -> int:
        return self.positions.setdefault(text, len(self.positions)) if text else -1

    def _judge_labels(self) -> None:
        """Make texts that are too many numbers or dates if they are some; keep those of several words; of others keep hashes."""
        if self.are_texts:
            if sum(map(len, self.positions)) > MAX_CHARACTERS:
                self._keep_hashes_only(f"texts of more than {MAX_CHARACTERS:,} characters")
            return
        labels = list(self.positions)
        kind = self.options.kind
        reading = self._number_reading(labels) if kind in {"auto", "numeric"} else None
        if reading is None and kind in {"auto", "date"}:
            reading = self._date_reading(labels)
        if reading is not None:
            codes, self.reading = self._text("").codes, reading
            self.positions.clear()
            self.pieces.clear()
            self._add_parsed(labels, codes.astype(np.intp), reading)
        elif kind == "text" or (kind == "auto" and text_reading.are_texts(self.name, labels)):
            self.are_texts = True
        else:
            self._keep_hashes_only(
                f"more than {MAX_LABELS:,} distinct values without words in common: looks like an ID"
            )

    def _number_reading(self, labels: list[str]) -> Reading | None:
        mark, counts = "," if self.file_mark == "," else "", np.ones(len(labels), dtype=np.int64)
        is_chosen = self.options.kind == "numeric"
        if not is_chosen and (not number_reading.may_be_numbers(labels, counts) or has_leading_zeros(labels)):
            return None
        found = number_reading.decide(labels, counts, mark, self.delimiter, self.options.decimal)
        reading = dataclasses.replace(found.reading, missing=self.options.missing)
        values, _ = number_reading.parse(labels, reading)
        are_numbers = is_chosen or (~np.isnan(values)).sum() >= NUMBER_SHARE * len(labels)
        return reading if are_numbers else None

    def _date_reading(self, labels: list[str]) -> Reading | None:
        is_chosen = self.options.kind == "date"
        if not is_chosen and date_reading.are_no_dates(labels):
            return None
        order, doubt = date_reading.date_order(labels)
        if self.options.date_order != "auto":
            order, doubt = self.options.date_order, ""
        reading = Reading(date_order=order, missing=self.options.missing)
        moments, _ = date_reading.parse(labels, reading)
        self.are_dates = is_chosen or bool((~np.isnat(moments)).sum() >= DATE_SHARE * len(labels))
        if self.are_dates and doubt:
            self.doubt = f"{doubt}. To change that, set columns.{self.name}.date_order"
        return reading if self.are_dates else None

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
