"""Turns the text of a cell into a value: what counts as missing, as a number, a category, a date, as words of a text.

How the cells of a column are read is decided once, in training, and stored with the model as a `Reading`. Training, every
protocol of the API, the prediction app and the model that MLflow loads then run this very file, so that a cell means the
same to all of them. It needs nothing but the standard library: MLflow runs it where this project is not installed.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from math import inf, nan
from typing import Final, Literal

Kind = Literal["numeric", "boolean", "categorical", "date", "text"]
DateOrder = Literal["", "ymd", "dmy", "mdy"]

# What stands for "nothing", in every column, whatever spaces are around it.
MISSING_TOKENS: Final = frozenset(
    {"", "?", "-", "--", "---", ".", "..", "...", "–", "—", "NA", "N/A", "n/a", "N.A.", "n.a.", "na", "nil"}
    | {"missing", "unknown?", "null", "NULL", "Null", "(null)", "None", "NaN", "nan", "-NaN", "-nan", "<NA>", "NaT"}
    | {"\\N", "N/D", "n/d", "#N/A", "#NA", "#N/A N/A", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"}
    | {"#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!", "Not Available", "not available"}
)
# Besides these, in any case, where a number or a date is expected: in a column of words they may be a word of their own.
MISSING_NUMBERS: Final = frozenset(
    {"na", "n/a", "n.a.", "nan", "nat", "nil", "null", "none", "<na>", "(null)", "missing", "unknown", "undefined"}
    | {"nd", "n/d", "not available", "not applicable", "not reported", "no data", "suppressed", "privacysuppressed"}
    | {":", "*", "**", "s", "#div/0!", "#n/a"}
)
BOOLEANS: Final = dict.fromkeys(("true", "yes", "1", "1.0"), True) | dict.fromkeys(("false", "no", "0", "0.0"), False)
FLOAT32_MAX: Final = 3.4028234663852886e38  # a model's numbers are float32: larger ones are no values
MULTIPLIERS: Final = (
    {"k": 1e3, "m": 1e6, "mn": 1e6, "b": 1e9, "bn": 1e9, "cr": 1e7}
    | dict.fromkeys(("thousand", "tsd", "tsd."), 1e3)
    | dict.fromkeys(("lakh", "lakhs", "lac", "lacs"), 1e5)
    | dict.fromkeys(("million", "millions", "mio", "mio.", "mln", "mill.", "millionen", "millones"), 1e6)
    | dict.fromkeys(("crore", "crores"), 1e7)
    | dict.fromkeys(("billion", "billions", "mrd", "mrd.", "milliarden"), 1e9)
    | {"万": 1e4, "億": 1e8, "亿": 1e8}
)
# The names of months, without accents; three letters or more of their beginning are enough.
_MONTH_NAMES: Final = (
    ("january", "januar", "janvier", "enero", "janeiro", "gennaio", "januari"),
    ("february", "februar", "fevrier", "febrero", "fevereiro", "febbraio", "februari"),
    ("march", "marz", "mars", "marzo", "marco", "maart", "maerz", "mrz", "mrt"),
    ("april", "avril", "abril", "aprile"),
    ("may", "mai", "mayo", "maio", "maggio", "mei", "maj"),
    ("june", "juni", "juin", "junio", "junho", "giugno"),
    ("july", "juli", "juillet", "julio", "julho", "luglio"),
    ("august", "aout", "agosto", "augustus", "augusti"),
    ("september", "sept", "septembre", "septiembre", "setiembre", "setembro", "settembre"),
    ("october", "oktober", "octobre", "octubre", "outubro", "ottobre"),
    ("november", "novembre", "noviembre", "novembro"),
    ("december", "dezember", "decembre", "diciembre", "dezembro", "dicembre", "desember"),
)
MONTHS: Final = {
    name[:n]: number
    for number, names in enumerate(_MONTH_NAMES, start=1)
    for name in reversed(names)
    for n in range(3, len(name) + 1)
}
_ENGLISH_MONTHS: Final = {name[:n] for name, *_ in _MONTH_NAMES for n in range(3, len(name) + 1)}
# Hours from UTC; a name that is not here makes no date.
ZONES: Final = (
    dict.fromkeys(("Z", "UTC", "GMT"), 0)
    | dict.fromkeys(("BST", "CET", "MEZ"), 1)
    | dict.fromkeys(("CEST", "MESZ"), 2)
    | {"JST": 9, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
)
_PLAIN: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_INFINITE: Final = re.compile(r"[-+]?inf(inity)?", re.IGNORECASE)
# A leading 0 stands alone before a decimal mark, never before thousands. The last two: 12,34,567 and 1'234'567.
_GROUPED: Final = re.compile(
    r"([1-9]\d{0,2}(,\d{3})+|[1-9]\d?(,\d{2})+,\d{3}|[1-9]\d{0,2}([ ']\d{3})+)(\.\d*)?", re.ASCII
)
_CLOCK: Final = re.compile(r"(\d{1,9}):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?(?: ?([ap])\.?m\.?)?", re.ASCII)
# Days, hours, minutes and seconds: 2h 50m, 1 day 01:30:00.
_SPAN: Final = re.compile(
    r"(?:(?P<d>\d{1,9}) ?d(?:ays?)?,? ?)?"
    r"(?:(?P<clock>\d{1,9}:[0-5]\d:[0-5]\d(?:\.\d+)?)"
    r"|(?:(?P<h>\d{1,9}) ?h(?:ours?|rs?)?,? ?)?(?:(?P<m>\d{1,9}) ?(?:m(?:in(?:utes?|s)?)?)?\.?,? ?)?(?:(?P<s>\d{1,9}) ?s(?:ec(?:onds?|s)?)?)?)",
    re.ASCII,
)
_INVISIBLE: Final = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))
_BLANKS: Final = re.compile(r"[^\S\r\n]+")
_UHR: Final = re.compile(r"(\d{1,2})[.:](\d{2}) ?uhr")  # German clocks
_WRAPPED: Final = re.compile(r"""="(.*)"|'(?=[-+\d.])(.*)""", re.DOTALL)
_NO_CENTS: Final = re.compile(r"(\d)(?:[.,](?:--?|—)|/-)(?=$|[^\d])")  # 50.- and 1,234/- are whole
SWAP_MARKS: Final = str.maketrans(",.", ".,")  # of a number with a decimal comma
# Other characters for the minus sign, the blank and the apostrophe.
_SAME_MARKS: Final = str.maketrans(
    {**dict.fromkeys("−–‒﹣－", "-"), **dict.fromkeys("\u00a0\u2007\u2009\u202f\t", " "), "’": "'", "ʼ": "'"}
    | {"￥": "¥", "△": "-", "▲": "-", "٫": ".", "٬": ","}  # a triangle is a minus sign in Japanese accounts
    | {**dict(zip("٠١٢٣٤٥٦٧٨٩", "0123456789", strict=True)), **dict(zip("۰۱۲۳۴۵۶۷۸۹", "0123456789", strict=True))}
    | {**dict(zip("０１２３４５６７８９", "0123456789", strict=True)), "．": ".", "，": ","}
)
_WEEKDAY: Final = r"(?:(?:[Mm]on|[Tt]ue|[Ww]ed|[Tt]hu|[Ff]ri|[Ss]at|[Ss]un)[a-z]{0,6}\.?,? +)?"
_CLOCK_TIME: Final = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?"
    r" ?(?P<half>[AaPp]\.? ?[Mm]\.?)?(?: ?Uhr)? ?(?P<zone>Z|[A-Z]{3,4}|[-+]\d{2}(?::?\d{2})?)?(?: UTC)?"
)
_TIME: Final = rf"(?:(?:[T ]+|, ?|:){_CLOCK_TIME})?"
_NAME: Final = r"(?P<name>[A-Za-zÀ-ÿ]{3,10})\.?"
_DATES: Final = tuple(
    re.compile(_WEEKDAY + pattern, re.ASCII)
    for pattern in (
        r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})(?:(?P=mark)(?P<day>\d{1,2}))?" + _TIME,
        r"(?P<first>\d{1,2})(?P<mark>[-/.])(?P<then>\d{1,2})(?P=mark)(?P<year>\d{4}|\d{2})" + _TIME,
        # 31 Jan 2020, 31st January 2020, 31/Jan/2020, 31. Januar 2020, 31 de enero de 2020, January 2020, Jan 31, 2020
        r"(?:(?P<day>\d{1,2})(?:st|nd|rd|th)?[-./ ]+(?:de +)?)?"
        + _NAME
        + r"[-./ ]+(?:de +)?(?:(?P<day_after>\d{1,2})(?:st|nd|rd|th)?(?:, *| +))?(?P<year>\d{4}|\d{2})"
        + _TIME,
        r"(?P<day>\d{2})(?P<name>[A-Za-z]{3})(?P<year>\d{4}|\d{2})" + _TIME,  # as SAS writes it
        r"(?P<year>\d{4})[-./ ]" + _NAME + r"[-./ ](?P<day>\d{1,2})" + _TIME,
        _NAME + rf" +(?P<day>\d{{1,2}}) +{_CLOCK_TIME} +(?P<year>\d{{4}})",  # as C writes it
        r"(?P<year>\d{4})(?:年|\. ?)(?P<month>\d{1,2})(?:月|\. ?)(?P<day>\d{1,2})(?:日|\.)?" + _TIME,
        r"(?P<year>(?:19|20)\d{2})(?P<month>\d{2})(?P<day>\d{2})(?:\.0)?" + _TIME,
        r"(?P<year>(?:19|20)\d{2})(?P<month>\d{2})(?P<day>\d{2})T?(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2})",
        r"(?P<month>0[1-9]|1[0-2])[-/.](?P<year>(?:19|20)\d{2})",
        r"(?P<year>(?:19|20)\d{2})",  # beside whole dates
        r"(?P<year>\d{4}) ?M(?P<month>\d{2})",
        r"(?P<year>\d{4})[-/ ]?[Qq](?P<quarter>[1-4])",
        r"[Qq](?P<quarter>[1-4])[-/ ]?(?P<year>\d{4})",
    )
)
_NO_DATE: Final = "0000-00-00"  # as MySQL writes it
_MAX_DATE_CHARACTERS: Final = 60
_ASCII_WORD: Final = re.compile(r"[a-z0-9]+")
# Chinese and Japanese leave no blanks between words: each character is one.
_ALONE: Final = "\u3040-\u30ff\u3400-\u9fff"
MAX_READ_CHARACTERS: Final = 20_000  # of a text; what comes after is not read, in training and in requests
MAX_READ_WORDS: Final = 500
_PIVOT_YEAR: Final = 30  # two digits from here on are of the last century, as spreadsheets have it


@dataclass(frozen=True, slots=True)
class Reading:
    """How the cells of one column are read.

    `decimal` is the decimal mark, "." or ","; the other one groups thousands. `affixes` are what may stand around a number
    and does not count, in lower case: units, currencies, the letters of footnotes. `multiplied`: k, M, million and the like
    multiply. `clock`: 1:30 and 1h 30m are one and a half, 1:30 pm 13 and a half. `missing` are words for missing besides the
    usual ones; `kept` are usual ones that are values here. `folds_case`: Red and RED are the category red. `date_order` is the order of day, month and year in
    dates that do not begin with the year.
    """

    decimal: str = "."
    affixes: tuple[str, ...] = ()
    multiplied: bool = False
    clock: bool = False
    missing: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    folds_case: bool = False
    date_order: DateOrder = ""


PLAIN: Final = Reading()


def with_usual_marks(text: str) -> str:
    """Return a text in lower case with the usual characters for digits, the minus sign, blanks and apostrophes, without what
    keeps a spreadsheet from reading it, and without the dash that stands for no cents.
    """
    if match := _WRAPPED.fullmatch(text):
        text = match[1] or match[2] or ""
    return _UHR.sub(r"\1:\2", _NO_CENTS.sub(r"\1", text.translate(_SAME_MARKS).lower()))


def is_missing(text: str, reading: Reading = PLAIN) -> bool:
    """Return whether a cell without blanks around it means "nothing" in every kind of column."""
    return text in reading.missing or (text in MISSING_TOKENS and text not in reading.kept)


def read_number(text: str, reading: Reading = PLAIN) -> float:
    """Return the number in a cell, NaN if it is missing; `5%` is 5, `(5)` and `5-` are -5. Raises ValueError for anything else.

    Infinite numbers are returned as such: no model takes them.
    """
    text = text.strip()
    if reading.decimal == "." and _PLAIN.fullmatch(text):
        return float(text)
    if is_missing(text, reading) or text.lower() in MISSING_NUMBERS:
        return nan
    if _INFINITE.fullmatch(text):
        return -inf if text[0] == "-" else inf
    sign, digits = _without_signs(with_usual_marks(text), reading)
    if reading.clock and (match := _CLOCK.fullmatch(digits)):
        hours = int(match[1]) % 12 + 12 * (match[4] == "p") if match[4] else int(match[1])
        return sign * (hours + int(match[2]) / 60 + float(match[3] or 0) / 3600)
    if reading.clock and is_span(digits):
        return sign * _hours(digits)
    factor = 1.0
    if reading.multiplied and (suffix := digits.lstrip("0123456789.,'").lstrip(" ")) in MULTIPLIERS:
        digits, factor = digits.removesuffix(suffix).rstrip(), MULTIPLIERS[suffix]
    if reading.decimal == ",":
        digits = digits.translate(SWAP_MARKS)
    if _GROUPED.fullmatch(digits):
        digits = digits.replace(",", "").replace(" ", "").replace("'", "")
    if not _PLAIN.fullmatch(digits) or digits[0] in "+-":
        raise ValueError(f"{text[:60]!r} is not a number.")
    return sign * factor * float(digits)


def is_span(text: str) -> bool:
    """Return whether a text in lower case is a span of time in days, hours and minutes, or minutes and seconds."""
    match = _SPAN.fullmatch(text)
    # Days or minutes alone are numbers with a unit.
    has_part = match is not None and any(match[part] is not None for part in ("h", "m", "clock"))
    return has_part and text.strip(" 0123456789.") != ""


def _hours(text: str) -> float:
    match = _SPAN.fullmatch(text)
    assert match is not None
    hours = 24.0 * int(match["d"] or 0) + int(match["h"] or 0) + int(match["m"] or 0) / 60 + int(match["s"] or 0) / 3600
    if match["clock"]:
        clock_hours, minutes, seconds = match["clock"].split(":")
        hours += int(clock_hours) + int(minutes) / 60 + float(seconds) / 3600
    return hours


def read_boolean(text: str, reading: Reading = PLAIN) -> float:
    """Return 1 or 0, NaN if the cell is missing. Raises ValueError for anything but true, false, yes, no, 1 and 0."""
    text = text.strip()
    word = text.lower()
    if word in BOOLEANS and text not in reading.missing:
        return float(BOOLEANS[word])
    if is_missing(text, reading) or word in MISSING_NUMBERS:
        return nan
    raise ValueError(f"{text[:60]!r} is neither true nor false.")


def read_category(text: str, reading: Reading = PLAIN) -> str:
    """Return the category in a cell, "" if it is missing: as it is written but for blanks that follow one another, characters
    that nobody sees, and accents that are characters of their own.
    """
    text = text.strip()
    if is_missing(text, reading):
        return ""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text.translate(_INVISIBLE)).strip()
    text = _BLANKS.sub(" ", text)
    return "" if is_missing(text, reading) else text


def read_date(text: str, reading: Reading = PLAIN) -> str:
    """Return the date in a cell as `YYYY-MM-DDThh:mm:ss`, "" if it is missing; a time with a zone is turned into UTC.

    Raises ValueError for what is no date, and for one whose order of day and month the column does not have.
    """
    text = text.strip()
    if is_missing(text, reading) or text.lower() in MISSING_NUMBERS or text.startswith(_NO_DATE):
        return ""
    for pattern in _DATES if len(text) <= _MAX_DATE_CHARACTERS else ():
        if match := pattern.fullmatch(text):
            return _as_iso(match, reading)
    raise ValueError(f"{text[:60]!r} is not a date.")


def read_text(text: str, reading: Reading = PLAIN) -> str:
    """Return the words of a text in lower case, with a blank between each two; "" if it is missing or has no word.

    Reading the answer again gives the same. Only the first MAX_READ_CHARACTERS and MAX_READ_WORDS count.
    """
    text = text.strip()
    if is_missing(text, reading):
        return ""
    plain = text[:MAX_READ_CHARACTERS].casefold()
    if not plain.isascii():
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", plain).casefold())
        plain = folded.replace("i\u0307", "i")  # the Turkish dotted capital
    plain = plain[:MAX_READ_CHARACTERS]
    words = " ".join((_ASCII_WORD if plain.isascii() else _word()).findall(plain)[:MAX_READ_WORDS])
    return "" if is_missing(words, reading) else words


@cache
def _word() -> re.Pattern[str]:
    """Return what matches a word: letters and digits, with the marks that many scripts write above, below and behind them."""
    marks = "".join(mark for mark in map(chr, range(0x300, 0x10000)) if unicodedata.category(mark)[0] == "M")
    return re.compile(f"[{_ALONE}]|[^\\W_{_ALONE}](?:[^\\W_{_ALONE}]|[{marks}])*")


def match_names(sent: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Return the known name that each name sent stands for: itself, or else the one that differs from it only in case and
    blanks, if there is just one on either side. Names without one are absent.
    """
    sent, known = list(dict.fromkeys(sent)), set(known)
    matched = {name: name for name in sent if name in known}
    left = [name for name in sent if name not in matched]
    if not left:
        return matched
    n_alike = Counter(map(_folded, left))
    by_fold: dict[str, list[str]] = {}
    for name in known - matched.keys():
        by_fold.setdefault(_folded(name), []).append(name)
    for name in left:
        alike = by_fold.get(_folded(name), [])
        if len(alike) == 1 and n_alike[_folded(name)] == 1:
            matched[name] = alike[0]
    return matched


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


class Cells:
    """Reads the cells of one column of a model, from text or as JSON has them.

    `categories` are those that training has seen; of a text column the words that the model looks for.
    """

    def __init__(self, kind: Kind, reading: Reading = PLAIN, categories: Iterable[str] = ()) -> None:
        self.kind = kind
        self.reading = reading
        self.is_text = kind in {"categorical", "date", "text"}
        self._known = {category: category for category in categories}
        self._folded = {}
        if reading.folds_case:
            # From the rarest on, so that the most frequent spelling stands where two are alike.
            self._folded = {category.casefold(): category for category in reversed(list(self._known))}

    def number(self, text: str) -> float:
        """Return the number, 1 or 0 for a boolean, NaN if missing. Raises ValueError for what does not fit, and for numbers
        that float32 cannot hold.
        """
        number = (read_boolean if self.kind == "boolean" else read_number)(text, self.reading)
        if abs(number) > FLOAT32_MAX:
            raise ValueError(f"{text[:60]!r} is too large.")
        return number

    def text(self, text: str) -> str:
        """Return the category, the date as `YYYY-MM-DDThh:mm:ss`, or the words of a text; "" if missing. Raises ValueError for
        what is no date.
        """
        if self.kind == "date":
            return read_date(text, self.reading)
        if self.kind == "text":
            return read_text(text, self.reading)
        if text in self._known:
            return text
        category = read_category(text, self.reading)
        return category if category in self._known else self._folded.get(category.casefold(), category)

    def is_unseen(self, category: str) -> bool:
        """Return whether training has not seen a category that was read, or no word of a text; never of missing ones and of
        dates.
        """
        if self.kind == "text":
            return category != "" and bool(self._known) and self._known.keys().isdisjoint(category.split())
        return self.kind == "categorical" and category != "" and category not in self._known


def _without_signs(text: str, reading: Reading) -> tuple[float, str]:
    """Return the sign of a number, and its digits without sign, unit and percent sign."""
    sign, has_sign = 1.0, False
    before = None
    while text != before:
        before = text
        text = text.strip(" ")
        if not has_sign and text[:1] in {"-", "+"}:
            sign, has_sign, text = (-1.0 if text[0] == "-" else 1.0), True, text[1:]
        elif not has_sign and text[:1] == "(" and text[-1:] == ")":
            sign, has_sign, text = -1.0, True, text[1:-1]
        elif not has_sign and text[-1:] == "-":
            sign, has_sign, text = -1.0, True, text[:-1]
        elif text[-1:] == "%":
            text = text[:-1]
        else:
            text = _without_affix(text, reading.affixes)
    return sign, text


def _without_affix(text: str, affixes: tuple[str, ...]) -> str:
    for affix in affixes:
        if len(text) > len(affix):
            if text.endswith(affix):
                return text.removesuffix(affix)
            if text.startswith(affix):
                return text.removeprefix(affix)
    return text


def _as_iso(match: re.Match[str], reading: Reading) -> str:
    parts = match.groupdict()
    year = int(parts["year"])
    if len(parts["year"]) == 2:
        year += 1900 if year >= _PIVOT_YEAR else 2000
    day = int(parts.get("day") or parts.get("day_after") or 1)
    if "name" in parts:
        has_day = parts.get("day") is not None or parts.get("day_after") is not None
        month = _month(parts["name"], has_day=has_day and (len(parts["name"]) > 3 or len(parts["year"]) == 4))
        if not has_day and len(parts["year"]) == 2 and " " in match[0]:
            raise ValueError(f"{match[0][:60]!r} may be a day of a month without a year.")
    elif "first" in parts:
        if not reading.date_order:
            raise ValueError(f"{match[0][:60]!r} does not begin with the year, as the dates of this column do.")
        first, then = int(parts["first"]), int(parts["then"])
        day, month = (then, first) if reading.date_order == "mdy" else (first, then)
    else:
        month = 3 * int(parts["quarter"]) - 2 if "quarter" in parts else int(parts.get("month") or 1)
    hour = int(parts.get("hour") or 0)
    if half := parts.get("half"):
        if not 1 <= hour <= 12:
            raise ValueError(f"{match[0][:60]!r} is not a time.")
        hour = hour % 12 + (12 if half[0] in "Pp" else 0)
    minute, second = int(parts.get("minute") or 0), int(parts.get("second") or 0)
    moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    try:
        moment = moment.replace(tzinfo=_zone(parts.get("zone"))).astimezone(UTC)
    except OverflowError as error:  # beyond the years 1 to 9999
        raise ValueError(f"{match[0][:60]!r} is not a date.") from error
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")


def _month(name: str, *, has_day: bool) -> int:
    """Return the number of a month by its name or the beginning of it, 0 for any other word.

    Short names that are words of other languages, such as set and out, need a day, and more letters or digits of the year.
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", name.lower()) if not unicodedata.combining(c))
    is_whole = any(plain in names for names in _MONTH_NAMES)
    return MONTHS.get(plain, 0) if has_day or is_whole or plain in _ENGLISH_MONTHS else 0


def _zone(text: str | None) -> timezone:
    if text is None:
        return UTC
    if text in ZONES:
        return timezone(timedelta(hours=ZONES[text]))
    if text[0] not in "-+":
        raise ValueError(f"{text!r} is not a time zone.")
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[3:].strip(":") or 0))
    return timezone(-offset if text[0] == "-" else offset)
