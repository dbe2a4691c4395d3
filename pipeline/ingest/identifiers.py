"""Finds columns that number the rows or identify them, by what they hold and how they are called."""

import re
from collections.abc import Collection
from typing import Final

import numpy as np

from pipeline.ingest.columns import EXACT_BELOW, Column, Floats, NumberColumn

ROW_NUMBER_SHARE: Final = 0.9
MIN_ROWS: Final = 20  # that must be numbered in order before a column of another name counts as row numbers
PROBED_ROWS: Final = 100
MIN_CODE: Final = 1e8
CODE_SHARE: Final = 0.5  # of the rows must have a code of their own; float32 makes some equal
UNIX_TIMES: Final = (3e8, 4.2e9)  # in seconds: 1979 to 2103
MIN_PERMUTED_ROWS: Final = 100  # whose numbers occur once each, in any order
# Names of row numbers, as programs and people write them.
_ROW_NUMBER: Final = re.compile(
    r"unnamed: ?\d+(\.\d+)*|_c0|#|index|level_0|obs|observation|seq|sequence"
    r"|row[ _.]?(id|nr|no|num|number|names?|index)?|(s|sr|sl|ser|lfd|serial)\.? ?[-_]?(no|nr|num|number)\.?|(no|nr)\.?"
    r"|rec(ord)?[ _.]?(no|nr|num|number|id)?|case[ _.]?(no|nr|num|number|id)?",
    re.IGNORECASE,
)
# Words by which an identifier ends; whole words only: paid and humid are none.
_IDENTIFIER_NAMES: Final = (
    "id ids uid uuid guid pk key objectid fid oid serial mrn ssn nbr zpid isin iban vin imei matricula"
)
_IDENTIFIER_WORDS: Final = frozenset(_IDENTIFIER_NAMES.split())
# What stands before id where the two are written as one word.
_IDENTIFIED: Final = re.compile(
    r"(phone|telephone|mobile|customer|client|user|passenger|person|people|patient|employee|emp|staff|member|student|player|team"
    r"|driver|host|owner|buyer"
    r"|seller|vendor|supplier|account|acct|card|order|invoice|policy|claim|loan|contract|session|visit|trip|ride|booking|ticket"
    r"|transaction|txn|event|object|item|product|prod|article|listing|property|store|shop|station|device|sensor|machine"
    r"|kunden?|auftrags|artikel|mitglieds|personal|konto|vertrags|rechnungs|matrikel"
    r"|sample|subject|row|record|case|movie|game|match|tweet|message|url|index|unique|encounter|respondent|participant)"
    r"s?(id|no|nr|nbr|num|number|nummer|code|key)",
    re.IGNORECASE,
)
# A column of one of these may count up with the rows and still say something: rows of a series stand in its order.
_MEASURE_NAMES: Final = (
    "time t zeit date day days tag tage week woche month monat year years jahr ano año anno annee année an hour hours hr hh"
    " stunde heure hora minute minutes second seconds step epoch cycle period lag age alter rank ranking position pos level"
    " distance depth temperature temp iteration round lap dose frame generation mileage weight score rating size length height"
    " price speed velocity voltage current angle concentration pressure frequency wavelength energy power load force strain"
    " dist dom doy yday jour interval latitude longitude lat lon timestamp elapsed km altitude percentile dosage conc experience"
    " tenure volume quantity floor rpm runtime quarter tick trial episode chapter julian atomic jahrgang min cost"
    " amount value salary income revenue sales population"
)
_MEASURES: Final = frozenset(_MEASURE_NAMES.split())
_WORDS: Final = re.compile(r"[A-ZÀ-Þ]+(?![a-zß-ÿ])|[A-ZÀ-Þ]?[a-zß-ÿ]+|\d+")


def is_row_number(column: Column, first_rows: Collection[int] = (0,)) -> bool:
    """Return True for a column that only numbers the rows: by its name, because it counts up or never repeats, or under
    another name because it counts up from one row to the next all the way, beginning again at the first row of each file.
    """
    if not isinstance(column, NumberColumn) or column.boolean:
        return False
    first_steps = np.diff(column.values[:PROBED_ROWS])
    if not is_called_row_number(column.name) and (first_steps == 1).sum() < ROW_NUMBER_SHARE * len(first_steps):
        return False  # as nearly always: no need to look at all rows
    if _ROW_NUMBER.fullmatch(column.name.strip()):
        return counts_up(column) or (_is_distinct(column.values) and _is_dense(column.values))
    steps = np.diff(column.values)
    if len(steps) < MIN_ROWS - 1 or is_named_like_identifier(column.name) or _is_measure(column.name):
        return False
    starts = np.flatnonzero(steps != 1) + 1
    begins_again = bool((column.values[starts] == column.values[0]).all()) and set(starts.tolist()) <= set(first_rows)
    return begins_again and len(starts) <= len(steps) // MIN_ROWS


def counts_up(column: Column) -> bool:
    """Return whether nearly each row's number is one more than that of the row before."""
    steps = np.diff(column.values) if isinstance(column, NumberColumn) else np.array([])
    return bool((steps == 1).sum() >= ROW_NUMBER_SHARE * max(len(steps), 1))


def is_identifier(column: Column) -> bool:
    """Return True for a column of distinct whole numbers that is named like an identifier, or that holds each of as many
    neighbouring numbers as there are rows once.
    """
    if not isinstance(column, NumberColumn) or column.boolean:
        return False
    if is_named_like_identifier(column.name):
        present = column.values[~np.isnan(column.values)]
        return len(present) >= ROW_NUMBER_SHARE * len(column.values) and _is_distinct(present)
    if not _is_measure(column.name) and len(column.values) >= MIN_ROWS and _are_long_codes(column.values):
        return True
    # The minimum is NaN if a value is missing.
    low, high, n_rows = float(column.values.min()), float(column.values.max()), len(column.values)
    if n_rows < MIN_PERMUTED_ROWS or low not in {0, 1} or high - low != n_rows - 1 or _is_measure(column.name):
        return False
    return len(np.unique(column.values)) == n_rows


def is_called_row_number(name: str) -> bool:
    """Return whether a name alone says that the column numbers the rows."""
    return bool(_ROW_NUMBER.fullmatch(name.strip()))


def is_named_like_identifier(name: str) -> bool:
    """Return whether a column is called what identifiers are called: customer_id, customerid, CustomerID."""
    words = _words(name)
    compact = "".join(words[-2:])  # customer_id, or customerid as one word
    begins = len(words) > 1 and words[0] == "id"  # id_client
    return bool(words) and (begins or words[-1] in _IDENTIFIER_WORDS or bool(_IDENTIFIED.fullmatch(compact)))


def _is_measure(name: str) -> bool:
    words = _words(name)
    return not _MEASURES.isdisjoint([*words, *(word.removesuffix("s") for word in words)])


def _is_dense(values: Floats) -> bool:
    """Return whether whole numbers leave out hardly one between the smallest and the largest."""
    return bool(values.max() - values.min() < 2 * len(values))


def _are_long_codes(values: Floats) -> bool:
    """Return whether all are whole numbers of as many digits, nine or more, such as of phones and books, but no times."""
    low, high = float(values.min()), float(values.max())
    if not MIN_CODE <= low <= high or len(f"{low:.0f}") != len(f"{high:.0f}") or not np.all(values == np.floor(values)):
        return False
    is_time = any(scale * UNIX_TIMES[0] <= low and high <= scale * UNIX_TIMES[1] for scale in (1, 1e3, 1e6, 1e9))
    return not is_time and len(np.unique(values)) >= CODE_SHARE * len(values)


def _words(name: str) -> list[str]:
    """Return the words of a name in lower case: customerID, customer_id and Customer Id have the same two."""
    return [word.lower() for word in _WORDS.findall(name)] or [name.lower()]


def _is_distinct(values: Floats) -> bool:
    whole = len(values) > 0 and not np.isnan(values).any() and bool(np.all(values == np.floor(values)))
    # Huge neighbouring numbers may be the same float32.
    return whole and len(np.unique(values)) >= min(ROW_NUMBER_SHARE * len(values), EXACT_BELOW // 2)
