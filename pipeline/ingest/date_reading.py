"""Decides whether the texts of a column are dates, and in which order they have day and month."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.core.cells import DateOrder, Reading, read_date
from pipeline.core.params import ColumnOptions
from pipeline.ingest.columns import Moments

_DAY_MONTH: Final = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})(?!\d)", re.ASCII)
_LAST_MONTH: Final = 12
PROBED_TEXTS: Final = 1_000
MIN_DAYS: Final = 12  # distinct ones
_YEAR_FIRST: Final = re.compile(r"(?!0000)\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?)?", re.ASCII)
_YEAR_LAST: Final = re.compile(r"\d{2}([-/.])\d{2}\1(?!0000)\d{4}(?:[T ]\d{2}:\d{2}(?::\d{2})?)?", re.ASCII)


def date_order(labels: Sequence[str]) -> tuple[DateOrder, str]:
    """Return the order of day, month and year, and a sentence on what was assumed where dates do not decide it."""
    n_first, n_then = Counter[str](), Counter[str]()
    shown: dict[str, str] = {}
    for label in labels:
        if match := _DAY_MONTH.match(label):
            mark = match[2]
            n_first[mark] += int(match[1]) > _LAST_MONTH
            n_then[mark] += int(match[3]) > _LAST_MONTH
            shown.setdefault(mark, match[0])
    if not shown:
        return "", ""
    difference = n_first.total() - n_then.total()
    first_mark = next(iter(shown))
    order: DateOrder = "dmy" if difference > 0 or (not difference and first_mark != "/") else "mdy"
    taken = f"{'the month' if order == 'mdy' else 'the day'} was taken to come first"
    if not difference:
        return order, f"{shown[first_mark]!r} may mean two days; {taken}"
    if any(
        (n_first[mark] > n_then[mark], n_first[mark] < n_then[mark]) != (order == "dmy", order == "mdy")
        for mark in shown
    ):
        return order, f"dates are written in two ways, {' and '.join(map(repr, shown.values()))}; {taken} in both"
    return order, ""


def decide(name: str, labels: Sequence[str], options: ColumnOptions) -> tuple[DateOrder, str]:
    """Return the order that a person chose or that the dates of a column show, and what is doubtful, with how to change it."""
    if options.date_order != "auto":
        return options.date_order, ""
    order, doubt = date_order(labels)
    return order, f"{doubt}. To change that, set columns.{name}.date_order" if doubt else ""


def may_be_dates(labels: Sequence[str], reading: Reading) -> bool:
    """Return False where none of many texts from all over the column is a date."""
    probed = labels[:: max(1, len(labels) // PROBED_TEXTS)]
    return len(labels) <= PROBED_TEXTS or not np.isnat(parse(probed, reading)[0]).all()


def parse(labels: Sequence[str], reading: Reading) -> tuple[Moments, npt.NDArray[np.bool_]]:
    """Return the moment of each text, NaT where it is missing or no date, and which of them are no dates."""
    try:
        return _parsed([_usual(label, reading.date_order) for label in labels], labels, reading)
    except ValueError:  # one is no day of the calendar, such as 2021-02-30
        return _parsed([""] * len(labels), labels, reading)


def _usual(label: str, order: DateOrder) -> str:
    """Return what numpy reads like `read_date`, five times as fast: a date in the form of most tables; "" for any other."""
    if _YEAR_FIRST.fullmatch(label):
        return label
    if order in {"dmy", "mdy"} and _YEAR_LAST.fullmatch(label):
        day, month = (label[:2], label[3:5]) if order == "dmy" else (label[3:5], label[:2])
        return f"{label[6:10]}-{month}-{day}{label[10:]}"
    return ""


def _parsed(usual: list[str], labels: Sequence[str], reading: Reading) -> tuple[Moments, npt.NDArray[np.bool_]]:
    unread = np.zeros(len(labels), dtype=np.bool_)
    texts = usual.copy()
    for i, label in enumerate(labels):
        if not usual[i]:
            try:
                texts[i] = read_date(label, reading) or "NaT"
            except ValueError:
                texts[i] = "NaT"
                unread[i] = True
    return np.array(texts, dtype="datetime64[s]"), unread


def are_no_dates(labels: Sequence[str]) -> bool:
    """Return whether texts are rather numbers of versions and chapters, such as 1.2.10, or seasons, such as 2010-11."""
    probed = labels[:1000]
    seasons = [re.fullmatch(r"(\d{4})[-/](\d{2})", label, re.ASCII) for label in probed]
    if all(match and int(match[2]) == (int(match[1]) + 1) % 100 for match in seasons):
        return True
    short = [re.fullmatch(r"(\d{1,2})\.(\d{1,2})\.\d{2}", label, re.ASCII) for label in probed]
    if not any(match and 1 in {len(match[1]), len(match[2])} for match in short):
        return _are_triples(probed)
    # 25.1.17 is a day: versions do not count that far, and have other parts than two digits at their end.
    days = [match for match in short if match and 1 <= int(match[1]) <= 31 and 1 <= int(match[2]) <= _LAST_MONTH]
    are_days = len(days) == sum(match is not None for match in short)
    is_beyond = any(int(match[1]) > _LAST_MONTH for match in days)
    return not (are_days and (is_beyond or (len(days) == len(probed) and len(probed) >= MIN_DAYS)))


def _are_triples(labels: Sequence[str]) -> bool:
    """Return whether texts such as 10-10-10 show in no place that they are dates: neither a year nor a day beyond the 12th."""
    triples = [re.fullmatch(r"(\d{1,2})-(\d{1,2})-(\d{2})", label, re.ASCII) for label in labels]
    return bool(labels) and all(
        match is not None and int(match[1]) <= _LAST_MONTH and int(match[2]) <= _LAST_MONTH for match in triples
    )
