"""Decides whether the texts of a column are dates, and in which order they have day and month."""

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.core.cells import DateOrder, Reading, read_date
from pipeline.ingest.columns import Moments

_DAY_MONTH: Final = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})(?!\d)", re.ASCII)
_LAST_MONTH: Final = 12
_YEAR_FIRST: Final = re.compile(r"(?!0000)\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?)?", re.ASCII)
_YEAR_LAST: Final = re.compile(r"\d{2}([-/.])\d{2}\1(?!0000)\d{4}(?:[T ]\d{2}:\d{2}(?::\d{2})?)?", re.ASCII)


def date_order(labels: Sequence[str]) -> tuple[DateOrder, str]:
    """Return the order of day, month and year, and a sentence on what was assumed where no date decides it."""
    n_first = n_then = 0
    mark = shown = ""
    for label in labels:
        if match := _DAY_MONTH.match(label):
            n_first += int(match[1]) > _LAST_MONTH
            n_then += int(match[3]) > _LAST_MONTH
            mark, shown = mark or match[2], shown or match[0]
    if not mark:
        return "", ""
    if n_first != n_then:
        return ("dmy" if n_first > n_then else "mdy"), ""
    order: DateOrder = "mdy" if mark == "/" else "dmy"
    return order, f"{shown!r} may mean two days; {'the month' if order == 'mdy' else 'the day'} was taken to come first"


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


def looks_like_version(labels: Sequence[str]) -> bool:
    """Return whether the texts are rather numbers of versions and chapters, such as 1.2.10, than dates."""
    return any(re.fullmatch(r"\d\.\d{1,2}\.\d{2}|\d{1,2}\.\d\.\d{2}", label, re.ASCII) for label in labels[:1000])
