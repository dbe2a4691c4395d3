"""Decides how the numbers of a column are written, from all of its texts: marks, units, currency, multipliers, footnotes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.core.cells import MONTHS, MULTIPLIERS, PLAIN, Reading, is_span, read_number, with_usual_marks
from pipeline.ingest.currencies import CURRENCIES, INDIAN, SURE_CODES, n_currencies
from pipeline.ingest.decimal_marks import decimal_mark

AMOUNT_DIGITS: Final = 4  # of the largest number behind a code that may be a name, or a mark in one
# 10+ and <5 say which side of a number the value lies on.
BOUNDS: Final = frozenset(
    {"+", "<", ">", "<=", ">=", "≤", "≥", "~", "≈", "±", "ca.", "c.", "approx", "approx.", "about"}
)
UNIT_SHARE: Final = 0.5  # of the numbers must have the unit; the others may be bare
SURE_UNIT_SHARE: Final = 0.95  # where fewer have it, the bare ones may be of another unit
BARE_SHARE: Final = 0.25  # of the numbers must be bare where letters are those of footnotes, and not several units
MAX_AFFIX_CHARS: Final = 20
_FLAG: Final = re.compile(r"[a-z]|[*†‡§#!]{1,3}|[¹²³]|\([a-z]\)|\[\d+\]")
_PARTS: Final = re.compile(
    r"(\D*?)([-+]?(?:\d[\d.,' :]*\d|\d)[.,]?(?:e[-+]?\d{1,3})?|[.,]\d+)(\D*| \D*[a-z]\^?[23]|(?: ?\[\d+\]))", re.ASCII
)
_PADDED: Final = re.compile(r"0\d+", re.ASCII)
_LETTERS: Final = frozenset({"k", "m", "mn", "b", "bn", "cr"})  # multipliers that may as well be units
_CLOCK: Final = re.compile(r"\d{1,9}:[0-5]\d(:[0-5]\d(\.\d+)?)?( ?[ap]\.?m\.?)?", re.ASCII)
PROBED_TEXTS: Final = 2_000

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class NumberReading:
    """How the numbers of a column are read; `doubt` says what its texts leave open, `remarks` what a person may not expect,
    and `cautions` what is lost.
    """

    reading: Reading
    doubt: str = ""
    remarks: list[str] = field(default_factory=list)
    cautions: list[str] = field(default_factory=list)
    has_flags: bool = False  # letters of footnotes
    bound_share: float = 0.0  # of the numbers that say only on which side of them the value lies


@dataclass(frozen=True)
class _Parts:
    """A text that is a number with something around it, in lower case.

    `after` begins with the `multiplier`, "" if there is none; `behind` is what follows it.
    """

    count: int
    before: str
    digits: str
    after: str = ""
    is_apart: bool = False  # a blank stands before `after`
    multiplier: str = ""
    behind: str = ""
    is_capital: bool = False
    is_apart_before: bool = False  # a blank stands behind `before`
    is_percent: bool = False

    @property
    def has_mark(self) -> bool:
        """Return whether the number has a decimal mark, or one between thousands."""
        return "." in self.digits or "," in self.digits


def may_be_numbers(labels: Sequence[str], counts: Counts) -> bool:
    """Return False where none of many texts is a number, of the most frequent ones and of others from all over the column."""
    if len(labels) <= PROBED_TEXTS:
        return True
    frequent = np.argpartition(counts, -PROBED_TEXTS // 2)[-PROBED_TEXTS // 2 :]
    places = np.union1d(frequent, np.arange(0, len(labels), len(labels) // PROBED_TEXTS))
    probed = [labels[i] for i in places.tolist()]
    values, _ = parse(probed, decide(probed, counts[places], "", "").reading)
    return not np.isnan(values).all()


def decide(
    labels: Sequence[str], counts: Counts, file_mark: str, delimiter: str, decimal: str = "auto"
) -> NumberReading:
    """Return how the texts are read as numbers, those that are some.

    `counts` are their numbers of rows. `file_mark` is the decimal mark that other columns of the files show, "" if none
    does; `decimal` is the mark that a person chose.
    """
    parts = [split for label, count in zip(labels, counts.tolist(), strict=True) if (split := _split(label, count))]
    if not parts or _are_labels(parts):
        return NumberReading(PLAIN)
    remarks: list[str] = []
    cautions: list[str] = []
    n_rows = sum(p.count for p in parts)
    clock = (
        not _are_ratios(parts)
        and sum(p.count for p in parts if _CLOCK.fullmatch(p.digits) or is_span(p.digits)) > 0.5 * n_rows
    )
    if clock:
        remarks.append("clock times and durations: 1:30 is 1.5")
        parts = [p for p in parts if not is_span(p.digits + p.after)]  # of 45m the m is no unit
    multiplied = _is_multiplied(parts)
    affixes, has_flags, n_bounds = _affixes(parts, multiplied, remarks, cautions)
    if multiplied:
        remarks.append("k, M, million and the like multiply")
    n_percent = sum(p.count for p in parts if p.is_percent)
    if 0 < n_percent < n_rows:
        cautions.append(f"{n_percent:,} of {n_rows:,} values have a percent sign: 5% is read as 5, like 5 without it")
    digits = [p.digits for p in parts]
    mark, doubt = (decimal, "") if decimal != "auto" else decimal_mark(digits, file_mark, delimiter)
    if mark == ",":
        remarks.append("decimal commas")
    reading = Reading(decimal=mark, affixes=affixes, multiplied=multiplied, clock=clock)
    return NumberReading(reading, doubt, remarks, cautions, has_flags, n_bounds / n_rows)


def _are_labels(parts: list[_Parts]) -> bool:
    """Return whether numbers are only parts of names: 001A, CAD-001, rs4680, RM 101, 1-Jan."""
    if any((p.before or p.after) and _PADDED.fullmatch(p.digits) for p in parts):
        return True
    if any(p.after.strip("-/. ") in MONTHS for p in parts):
        return True
    afters = {p.after for p in parts}
    if {"n", "s"} <= afters or {"e", "w"} <= afters or any(after and not after.strip("x*") for after in afters):
        return True  # hemispheres, and digits that are hidden
    words = [p for p in parts if p.before.isalpha() and p.before in CURRENCIES]
    if len(words) < UNIT_SHARE * len(parts) or all(p.before in SURE_CODES and p.is_apart_before for p in words):
        return False
    return not any(p.has_mark or len(p.digits) >= AMOUNT_DIGITS for p in words)


def _are_ratios(parts: list[_Parts]) -> bool:
    """Return whether numbers with a colon are rather scales such as 1:10 and shares such as 60:40."""
    pairs = [p.digits.split(":") for p in parts if p.digits.count(":") == 1 and p.digits.replace(":", "").isdecimal()]
    if len(pairs) < 2 or len(pairs) < len(parts) or max(map(len, (side for pair in pairs for side in pair))) > 9:
        return False
    same_left = len({left for left, _ in pairs}) == 1
    return same_left or all(int(left) + int(right) == 100 for left, right in pairs)


def parse(labels: Sequence[str], reading: Reading) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return the number of each text, NaN where it is missing or no number, and which of them are no numbers."""
    values = np.full(len(labels), np.nan)
    unread = np.zeros(len(labels), dtype=np.bool_)
    for i, label in enumerate(labels):
        try:
            values[i] = read_number(label, reading)
        except ValueError:
            unread[i] = True
    return values, unread


def _split(label: str, count: int) -> _Parts | None:
    """Return the parts of a text that is one number with other characters before and after it."""
    text = with_usual_marks(label).strip()
    if _CLOCK.fullmatch(text) or (is_span(text) and any(mark in text for mark in "hd:")):
        return _Parts(count, "", text)
    match = _PARTS.fullmatch(text)
    if match is None:
        return None
    before = match[1].strip("-+( ")
    after = match[3].strip(")% ") if match[3][-1:] in {")", "%"} and "(" not in match[3] else match[3].strip(" ")
    after = after.rstrip("-") if after == "-" else after
    if len(before) > MAX_AFFIX_CHARS or len(after) > MAX_AFFIX_CHARS:
        return None
    multiplier, behind = _multiplier(after)
    return _Parts(
        count,
        before,
        match[2].lstrip("+-"),
        after.strip(),
        match[3].startswith(" "),
        multiplier,
        behind,
        bool(multiplier) and multiplier.upper() in label,
        match[1].endswith(" "),
        "%" in match[3],
    )


def _multiplier(after: str) -> tuple[str, str]:
    """Return the multiplier that what follows a number begins with, "" if it does not, and the rest."""
    first, _, rest = after.strip().partition(" ")
    if first in MULTIPLIERS:
        return first, rest.strip()
    for n in range(1, len(first)):  # k€
        if first[:n] in MULTIPLIERS and first[n:] in CURRENCIES:
            return first[:n], f"{first[n:]} {rest}".strip()
    return "", after.strip()


def _is_multiplied(parts: list[_Parts]) -> bool:
    """Return whether k, M and bn stand for factors: a word such as million, one beside a currency, several of them, or one
    beside bare numbers. A small m is rather metres, minutes or months.
    """
    suffixes = [p for p in parts if p.multiplier]
    kinds = {p.multiplier for p in suffixes}
    if not kinds:
        return False
    is_indian = bool(kinds & {"lakh", "lakhs", "lac", "lacs"}) or any(p.before in INDIAN for p in suffixes)
    if kinds == {"cr"} and not is_indian:  # credit
        return False
    if kinds - _LETTERS or any(p.before in CURRENCIES or p.behind in CURRENCIES for p in suffixes):
        return True
    attached = [p for p in suffixes if not p.is_apart]
    kinds = {p.multiplier for p in attached}
    has_bare = any(not p.after for p in parts)
    if not has_bare and not any(p.has_mark for p in attached):
        return False  # 12B and 13K are names
    if len(kinds) > 1 or kinds == {"k"}:
        return True
    return has_bare and (kinds in ({"mn"}, {"bn"}) or (kinds == {"m"} and all(p.is_capital for p in attached)))


def _affixes(
    parts: list[_Parts], multiplied: bool, remarks: list[str], cautions: list[str]
) -> tuple[tuple[str, ...], bool, int]:
    """Return the texts around numbers that do not count, longest first; whether letters of footnotes are among them; and how
    many rows have bounds.
    """
    n_rows = sum(p.count for p in parts)
    by_affix: dict[str, int] = {}
    for p in parts:
        # Words before a number make a name of it, such as Type 2.
        before = {p.before} if p.before in CURRENCIES or p.before in BOUNDS else set()
        after = {p.behind} if multiplied and p.multiplier else {p.after}
        for affix in (before | after) - {""}:
            by_affix[affix] = by_affix.get(affix, 0) + p.count
    currencies = [affix for affix in by_affix if affix in CURRENCIES]
    bounds = [affix for affix in by_affix if affix in BOUNDS]
    others = {a: n for a, n in by_affix.items() if a not in CURRENCIES and a not in BOUNDS}
    usual = [affix for affix, n in others.items() if n > UNIT_SHARE * n_rows]
    # 1 year, 2 years
    units = [affix for affix in others if affix in usual or f"{affix}s" in usual or affix.removesuffix("s") in usual]
    # 12A is a name; 12.5a and 12 a have a footnote.
    noted = {p.after for p in parts if p.is_apart or p.has_mark or not p.after.isalpha()}
    flags = [affix for affix in others if affix not in units and affix in noted and _FLAG.fullmatch(affix)]
    n_bare = sum(p.count for p in parts if not p.after)
    if n_bare < BARE_SHARE * n_rows:
        flags = []
    n_bounds = sum(by_affix[bound] for bound in bounds)
    n_with_unit = sum(others[unit] for unit in units)
    if n_currencies(currencies) > 1:
        cautions.append(f"several currencies, not converted: {', '.join(sorted(currencies))}")
    elif currencies or units:
        remarks.append(f"without {', '.join(map(repr, [*currencies, *units]))}")
    if units and n_with_unit < SURE_UNIT_SHARE * n_rows:
        cautions.append(
            f"{n_rows - n_with_unit:,} of {n_rows:,} values are without {usual[0]!r}, and were taken as if with it"
        )
    if bounds:
        cautions.append(f"{', '.join(map(repr, sorted(bounds)))} left out of {n_bounds:,} values, which may lie beyond")
    if flags:
        n_flags = sum(others[flag] for flag in flags)
        cautions.append(f"letters of footnotes left out of {n_flags:,} values: {', '.join(map(repr, sorted(flags)))}")
    affixes = sorted({*currencies, *bounds, *units, *flags}, key=lambda affix: (-len(affix), affix))
    return tuple(affixes), bool(flags), n_bounds
