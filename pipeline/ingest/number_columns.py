"""Makes numbers and booleans of a column of texts, if they are some."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.core.cells import MISSING_NUMBERS, PLAIN
from pipeline.core.table_profile import ColumnReport
from pipeline.ingest import date_reading, number_reading
from pipeline.ingest.columns import number_column
from pipeline.ingest.untyped import MIN_VALUES, Found, Mask, UntypedColumn

NUMBER_SHARE: Final = 0.95  # of the present values; a text column with at least this share of numbers is numeric
LONG_NUMBER: Final = 2**53  # from here on even float64 rounds whole numbers
N_LONG_DIGITS: Final = 16
MAX_CODES: Final = 20  # distinct texts that may be classes though they hold numbers
BOUND_SHARE: Final = 0.5  # of the rows; where fewer are bounds, the others are numbers
MIN_COMPACT_DATES: Final = 10
_CODE: Final = re.compile(r"[A-Za-z]\d{1,6}", re.ASCII)


def as_boolean(untyped: UntypedColumn) -> Found | None:
    """Return the column as booleans if its texts are true and false, in whatever case."""
    words = [text.lower() for text in untyped.texts]
    if not words or not set(words) <= {"true", "false"}:
        return None
    values = untyped.by_row(np.array([word == "true" for word in words], dtype=np.float64), np.float64("nan"))
    column = replace(number_column(untyped.name, values, True), reading=untyped.words)
    return column, ColumnReport(name=untyped.name, kind="boolean", reading=untyped.words)


def as_number(untyped: UntypedColumn) -> Found | None:
    """Return the column as numbers if most of its texts are some, and the others words that mean missing."""
    texts = untyped.texts
    if not texts or (untyped.is_open and _are_no_numbers(untyped)):
        return None
    mark = untyped.circumstances.file_mark
    found = number_reading.decide(texts, untyped.counts, mark, untyped.circumstances.delimiter, untyped.options.decimal)
    if untyped.is_open and _are_codes(untyped, found):
        return None
    reading = replace(found.reading, missing=untyped.words.missing, kept=untyped.words.kept)
    numbers, unread = number_reading.parse(texts, reading)
    if not _are_enough(untyped, numbers, unread):
        return None
    reading = untyped.with_words_for_missing(found.reading, unread)
    odd = untyped.say_unread(unread, "non-numeric value", "non-numeric values")
    if found.doubt:
        untyped.warnings.append(
            f"Column {untyped.name!r}: {found.doubt}. To change that, set columns.{untyped.name}.decimal."
        )
    untyped.warnings.extend(f"Column {untyped.name!r}: {caution}." for caution in found.cautions)
    column = number_column(untyped.name, untyped.by_row(numbers, np.float64("nan")))
    remarks = [*found.remarks, *found.cautions]
    report = ColumnReport(name=untyped.name, kind="numeric", reading=reading, remarks=remarks, unread=odd)
    return replace(column, reading=reading), report


def _are_enough(untyped: UntypedColumn, numbers: npt.NDArray[np.float64], unread: Mask) -> bool:
    is_number = ~np.isnan(numbers)
    n_numbers = untyped.n_rows(is_number)
    if not untyped.is_open or not n_numbers:
        return n_numbers > 0
    # Words such as s and x mean missing among numbers only.
    if untyped.n_rows(~is_number & ~unread) > n_numbers:
        return False
    if n_numbers >= NUMBER_SHARE * (n_numbers + untyped.n_rows(unread)):
        return not _are_codes_of_letters(untyped, unread)
    known = np.unique(numbers[is_number])
    return untyped.have_tokens(unread, n_numbers, len(known)) and not _are_names(untyped, unread, known)


def _are_codes(untyped: UntypedColumn, found: number_reading.NumberReading) -> bool:
    """Return whether numbers with something around them are rather classes: 1a and 1b in a target, <=50K and >50K."""
    are_few = len(untyped.texts) <= MAX_CODES
    return are_few and ((untyped.circumstances.is_target and found.has_flags) or found.bound_share > BOUND_SHARE)


def _are_codes_of_letters(untyped: UntypedColumn, unread: Mask) -> bool:
    """Return whether what is no number are codes of a letter and digits, such as V57 among 428 and 250."""
    odd = [untyped.texts[i] for i in np.flatnonzero(unread).tolist()]
    return bool(odd) and all(_CODE.fullmatch(text) for text in odd)


def _are_names(untyped: UntypedColumn, unread: Mask, known: npt.NDArray[np.float64]) -> bool:
    """Return whether single letters among a few whole numbers are names, too: chromosomes 1 to 22, X and Y."""
    odd = [untyped.texts[i] for i in np.flatnonzero(unread).tolist()]
    are_letters = all(len(text) == 1 and text.isalpha() and text.lower() not in MISSING_NUMBERS for text in odd)
    return are_letters and len(known) <= MAX_CODES + MIN_VALUES and bool((known == np.floor(known)).all())


def _are_no_numbers(untyped: UntypedColumn) -> bool:
    """Return whether texts are dates or codes of digits, or none of them is a number."""
    texts = untyped.texts
    are_codes = _are_compact_dates(texts) or has_leading_zeros(texts) or _are_long(texts)
    return are_codes or not number_reading.may_be_numbers(texts, untyped.counts)


def has_leading_zeros(texts: Sequence[str]) -> bool:
    """Return whether texts are codes: whole numbers of which one begins with a 0 that would be lost."""
    return any(len(text) > 1 and text[0] == "0" and text.isdecimal() for text in texts)


def _are_long(texts: Sequence[str]) -> bool:
    """Return whether one is a whole number of so many digits that it would be rounded: numbers of accounts and the like."""
    long = (text.lstrip("-") for text in texts if len(text) >= N_LONG_DIGITS)
    return any(
        text.isascii() and text.isdecimal() and (len(text) > N_LONG_DIGITS or int(text) >= LONG_NUMBER) for text in long
    )


def _are_compact_dates(texts: Sequence[str]) -> bool:
    """Return whether all texts are days such as 20200131, of which there are too many for that to be by chance."""
    if len(texts) < MIN_COMPACT_DATES or not all(text[:8].isdecimal() for text in texts):
        return False
    _, unread = date_reading.parse(texts[:1000], PLAIN)
    return not unread.any()
