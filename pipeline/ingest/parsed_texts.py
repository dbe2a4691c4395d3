"""The numbers or dates of a column with more distinct texts than are kept: parsed as they come, by what the first ones show."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.core.cells import Reading
from pipeline.core.sentences import plural
from pipeline.ingest import date_reading, number_reading
from pipeline.ingest.columns import (
    Column,
    DateColumn,
    Hashes,
    NumberColumn,
    UnusableColumn,
    number_column,
    number_hashes,
    text_hashes,
)
from pipeline.ingest.date_columns import DATE_SHARE
from pipeline.ingest.number_columns import NUMBER_SHARE, has_leading_zeros
from pipeline.ingest.untyped import MAX_MISSING_WORDS, Circumstances

MAX_EXAMPLES: Final = 3


@dataclass
class ParsedTexts:
    """`unread` counts the rows of each text that is of another type: it counts as missing, here and in requests. `doubt` is a
    warning on the reading. `row_hashes` are those of dates.
    """

    name: str
    circumstances: Circumstances
    reading: Reading
    are_dates: bool = False
    doubt: str = ""
    pieces: list[npt.NDArray[Any]] = field(default_factory=list)
    row_hashes: list[Hashes] = field(default_factory=list)
    unread: Counter[str] = field(default_factory=Counter)
    infinite: int = 0

    @classmethod
    def of(cls, name: str, texts: Sequence[str], circumstances: Circumstances) -> "ParsedTexts | None":
        """Return what parses a column that begins with these distinct texts; None if they are neither numbers nor dates."""
        kind = circumstances.options.kind
        numbers = _number_reading(texts, circumstances) if kind in {"auto", "numeric"} else None
        if numbers is not None:
            return cls(name, circumstances, numbers)
        if kind not in {"auto", "date"} or (kind == "auto" and date_reading.are_no_dates(texts)):
            return None
        order, doubt = date_reading.decide(name, texts, circumstances.options)
        reading = Reading(date_order=order, missing=circumstances.options.missing)
        moments, _ = date_reading.parse(texts, reading)
        if kind == "auto" and (~np.isnat(moments)).sum() < DATE_SHARE * len(texts):
            return None
        return cls(name, circumstances, reading, are_dates=True, doubt=doubt)

    def add(self, texts: Sequence[str], codes: npt.NDArray[np.intp]) -> None:
        """Append rows by their positions in `texts`, -1 where missing."""
        values, unread = (date_reading if self.are_dates else number_reading).parse(texts, self.reading)
        counts = np.bincount(codes[codes >= 0], minlength=len(texts))
        self.unread.update({texts[i]: int(counts[i]) for i in np.flatnonzero(unread).tolist()})
        if self.are_dates:
            moments = np.append(values, np.datetime64("NaT", "s"))[codes]
            self.pieces.append(moments)
            self.row_hashes.append(np.where(np.isnat(moments), np.uint64(0), text_hashes(texts)[codes]))
        else:
            column = number_column("", np.append(values, np.nan)[codes])
            self.infinite += column.infinite
            self.pieces.append(column.values)

    def column(self) -> Column:
        """Return the column, as one that no model can use if its first texts misled."""
        values = np.concatenate(self.pieces)
        n_unread = self.unread.total()
        share = DATE_SHARE if self.are_dates else NUMBER_SHARE
        options = self.circumstances.options
        if options.kind == "auto" and n_unread > (1 - share) * (n_unread + int((~np.isnan(values)).sum())):
            hashes = np.concatenate(self.row_hashes) if self.are_dates else number_hashes(values)
            kinds = "dates" if self.are_dates else "numbers"
            return UnusableColumn(self.name, hashes, f"{kinds} and {n_unread:,} values that are none")
        # The same words are missing in a request; where there are too many of them, each is an error there.
        words = self.unread if len(self.unread) <= MAX_MISSING_WORDS else ()
        reading = replace(self.reading, missing=tuple(dict.fromkeys((*options.missing, *words))))
        if self.are_dates:
            return DateColumn(self.name, values, np.concatenate(self.row_hashes), reading)
        return NumberColumn(self.name, values, False, self.infinite, reading)

    def warnings(self) -> list[str]:
        """Return what the log should say of the column."""
        said = [f"Column {self.name!r}: {self.doubt}."] if self.doubt else []
        if self.unread:
            one, many = "non-numeric value", "non-numeric values"
            if self.are_dates:
                one, many = "value that is no date", "values that are no dates"
            examples = ", ".join(repr(text) for text, _ in self.unread.most_common(MAX_EXAMPLES))
            n_rows = plural(self.unread.total(), one, many)
            said.append(f"Column {self.name!r}: {n_rows} treated as missing ({examples}).")
        return said


def _number_reading(texts: Sequence[str], circumstances: Circumstances) -> Reading | None:
    # Other columns are not read to their end yet: only a comma of this file is known.
    mark, counts = "," if circumstances.file_mark == "," else "", np.ones(len(texts), dtype=np.int64)
    is_open, options = circumstances.options.kind == "auto", circumstances.options
    if is_open and (not number_reading.may_be_numbers(texts, counts) or has_leading_zeros(texts)):
        return None
    found = number_reading.decide(texts, counts, mark, circumstances.delimiter, options.decimal)
    reading = replace(found.reading, missing=options.missing)
    numbers, _ = number_reading.parse(texts, reading)
    are_enough = not is_open or (~np.isnan(numbers)).sum() >= NUMBER_SHARE * len(texts)
    return reading if are_enough else None
