"""Decides whether the texts of a column are dates, and in which order they have day and month."""

import contextlib
import re
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.core.cells import DateOrder, Reading, read_date
from pipeline.ingest.columns import Moments

_DAY_MONTH: Final = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})(?!\d)", re.ASCII)
_LAST_MONTH: Final = 12
# What numpy reads a hundred times as fast, and alike.
_ISO: Final = re.compile(r"(?!0000)\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}:\d{2})?", re.ASCII)


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
    if all(map(_ISO.fullmatch, labels)):
        with contextlib.suppress(ValueError):  # 2021-02-30
            return np.array(labels, dtype="datetime64[s]"), np.zeros(len(labels), dtype=np.bool_)
    dates: list[str] = []
    unread = np.zeros(len(labels), dtype=np.bool_)
    for i, label in enumerate(labels):
        try:
            dates.append(read_date(label, reading))
        except ValueError:
            dates.append("")
            unread[i] = True
    return np.array([date or "NaT" for date in dates], dtype="datetime64[s]"), unread


def looks_like_version(labels: Sequence[str]) -> bool:
    """Return whether the texts are rather numbers of versions and chapters, such as 1.2.10, than dates."""
    return any(re.fullmatch(r"\d\.\d{1,2}\.\d{2}|\d{1,2}\.\d\.\d{2}", label, re.ASCII) for label in labels[:1000])
