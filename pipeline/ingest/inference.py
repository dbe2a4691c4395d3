"""Decides what a column of texts is (numbers, booleans, dates, categories or free text) and how its cells are read, from all of them."""

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.core.cells import MISSING_NUMBERS, MISSING_TOKENS, PLAIN, Reading, is_missing, read_category
from pipeline.core.params import ColumnOptions
from pipeline.core.sentences import listed, plural
from pipeline.core.table_profile import Category, ColumnReport
from pipeline.ingest import date_reading, number_reading, text_reading
from pipeline.ingest.columns import Column, DateColumn, FreeTextColumn, Hashes, TextColumn, number_column

NUMBER_SHARE: Final = 0.95  # of the present values; a text column with at least this share of numbers is numeric
DATE_SHARE: Final = 0.95
# A column with fewer numbers may be numeric, too, if the rest are a few words that repeat: words for missing of its own.
TOKEN_NUMBER_SHARE: Final = 0.5
MAX_TOKENS: Final = 4
MIN_TOKEN_ROWS: Final = 2
MIN_NUMBERS: Final = 10  # distinct ones; fewer beside words are rather codes
CLASS_SHARE: Final = 0.1  # of the rows; a word for missing as frequent as this in the target is a class
MIN_CLASSES: Final = 2
LETTER_PAIRS: Final = ({"y", "n"}, {"t", "f"}, {"m", "f"}, {"w", "m"})  # in either case they mean the same
LONG_NUMBER: Final = 2**53  # from here on even float64 rounds whole numbers
N_LONG_DIGITS: Final = 16
MAX_CODES: Final = 20  # distinct texts that may be classes though they hold numbers
BOUND_SHARE: Final = 0.5  # of the rows; where fewer are bounds, the others are numbers
_CODE: Final = re.compile(r"[A-Za-z]\d{1,6}", re.ASCII)
MIN_COMPACT_DATES: Final = 10
MIN_WORD_ROWS: Final = 5  # of a word for missing that may be meant as a category
MAX_MISSING_WORDS: Final = 50  # of a column, that are kept with the model
MAX_LISTED: Final = 20
MAX_SHOWN: Final = 3
N_EXAMPLES: Final = 5

NO_OPTIONS: Final = ColumnOptions()

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Circumstances:
    """What is known beside the texts of a column. `file_mark` is the decimal mark that other columns show, "" if none does.

    `is_target`: a frequent word for missing is a class, and spellings of a word are told apart by whoever makes classes.
    """

    options: ColumnOptions = NO_OPTIONS
    file_mark: str = ""
    delimiter: str = ","
    is_target: bool = False


@dataclass
class Typed:
    """A column with its type, the report of how it was read, and warnings for the log."""

    column: Column
    report: ColumnReport
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Texts:
    """The distinct texts of a column that are not missing, their places among all of its labels, and their row counts."""

    labels: list[str]
    places: npt.NDArray[np.intp]
    counts: Counts

    @property
    def n_rows(self) -> int:
        return int(self.counts.sum())


def infer(column: TextColumn, circumstances: Circumstances) -> Typed:
    """Return a column of texts as the type that its labels have: boolean (true/false), number, date, category or free
    text.

    Two words like yes and no stay text, so that requests use the words of the table. `column.labels` are the texts of the
    files without blanks around them, words for missing included.
    """
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.labels))
    options = circumstances.options
    kept, warnings = _kept_words(column, counts, circumstances)
    words = Reading(missing=options.missing, kept=kept)
    texts = _present(column.labels, counts, words)
    report = ColumnReport(name=column.name, kind="categorical", reading=words, examples=texts.labels[:N_EXAMPLES])
    typed = Typed(column, report, warnings)
    found = None
    if options.kind in {"auto", "numeric"}:
        found = _as_boolean(column, texts, words) or _as_number(column, texts, words, circumstances, warnings)
    if found is None and options.kind in {"auto", "date"}:
        found = _as_date(column, texts, words, circumstances, warnings)
    if found is None and options.kind in {"auto", "text"}:
        found = _as_text(column, texts, words, circumstances)
    if found is None:
        found = _as_category(column, texts, words, circumstances)
        if options.kind in {"numeric", "date"}:
            warnings.append(
                f"Column {column.name!r}: no value can be read as a {'number' if options.kind == 'numeric' else options.kind}."
            )
    typed.column, report = found
    missing = _missing_words(column.labels, counts, report.reading, report.kind)
    typed.report = report.model_copy(update={"examples": texts.labels[:N_EXAMPLES], "missing": missing})
    unusual = [word for word in missing if word.value not in {cell.value for cell in report.unread}]
    if unusual:
        _say_missing(typed, unusual, is_target=circumstances.is_target)
    if _is_overruled(options, typed.report):
        typed.warnings.append(
            f"Column {column.name!r}: too few values are dates in the order or numbers with the mark that was chosen for it."
        )
    return typed


def _is_overruled(options: ColumnOptions, report: ColumnReport) -> bool:
    """Return whether the values did not fit what a person decided."""
    is_date, is_number = report.kind == "date", report.kind in {"numeric", "boolean"}
    return (options.date_order != "auto" and not is_date) or (options.decimal != "auto" and not is_number)


def _say_missing(typed: Typed, words: list[Category], *, is_target: bool) -> None:
    """Say which words were read as missing; where they could be categories, how to keep them."""
    name = typed.report.name
    shown = listed([f"{word.value!r} {plural(word.count, 'time')}" for word in words], MAX_SHOWN)
    is_word = any(character.isalpha() for character in words[0].value)
    could_be = not is_target and typed.report.kind == "categorical" and is_word and words[0].count >= MIN_WORD_ROWS
    if could_be:
        typed.warnings.append(
            f"Column {name!r}: read as missing: {shown}. If it is a category, name it in columns.{name}.kept."
        )
    typed.report.remarks.append(f"read as missing: {shown}")


def _present(labels: Sequence[str], counts: Counts, words: Reading) -> _Texts:
    places = np.array(
        [i for i, label in enumerate(labels) if counts[i] and not is_missing(label, words)], dtype=np.intp
    )
    return _Texts([labels[i] for i in places], places, counts[places])


def _kept_words(column: TextColumn, counts: Counts, circumstances: Circumstances) -> tuple[tuple[str, ...], list[str]]:
    """Return the words for missing that are values here, and a warning where the target decided that."""
    kept = tuple(word for word in circumstances.options.kept if word in MISSING_TOKENS)
    if not circumstances.is_target:
        return kept, []
    words = {
        label: int(counts[i])
        for i, label in enumerate(column.labels)
        if label in MISSING_TOKENS and counts[i] and label not in {*circumstances.options.missing, *kept}
    }
    others = [label for label in column.labels if label not in MISSING_TOKENS]
    numbers, _ = number_reading.parse(others[:1000], PLAIN)
    if others and (~np.isnan(numbers)).mean() > TOKEN_NUMBER_SHARE:
        return kept, []
    classes = {word: n for word, n in words.items() if n >= CLASS_SHARE * counts.sum() or len(others) < MIN_CLASSES}
    if not classes:
        return kept, []
    shown = listed([f"{word!r} ({plural(n, 'row')})" for word, n in classes.items()], MAX_SHOWN)
    warning = (
        f"Target {column.name!r}: {shown} {'is a class' if len(classes) == 1 else 'are classes'} here, though usually it "
        f"means missing. To leave these rows out, name it in columns.{column.name}.missing."
    )
    return (*kept, *classes), [warning]


def _as_boolean(column: TextColumn, texts: _Texts, words: Reading) -> tuple[Column, ColumnReport] | None:
    if not texts.labels or not {label.lower() for label in texts.labels} <= {"true", "false"}:
        return None
    values = np.full(len(column.labels), np.nan)
    values[texts.places] = [float(label.lower() == "true") for label in texts.labels]
    numbers = dataclasses.replace(number_column(column.name, by_code(values, column.codes), True), reading=words)
    return numbers, ColumnReport(name=column.name, kind="boolean", reading=words)


def _as_number(
    column: TextColumn, texts: _Texts, words: Reading, circumstances: Circumstances, warnings: list[str]
) -> tuple[Column, ColumnReport] | None:
    options = circumstances.options
    if not texts.labels or (options.kind == "auto" and _are_no_numbers(texts)):
        return None
    found = number_reading.decide(
        texts.labels, texts.counts, circumstances.file_mark, circumstances.delimiter, options.decimal
    )
    if options.kind == "auto" and _are_codes(texts, found, circumstances):
        return None
    reading = dataclasses.replace(found.reading, missing=words.missing, kept=words.kept)
    numbers, unread = number_reading.parse(texts.labels, reading)
    is_number = ~np.isnan(numbers)
    n_numbers = int(texts.counts[is_number].sum())
    n_present = n_numbers + int(texts.counts[unread].sum())
    # Words such as s and x mean missing among numbers only.
    n_words = texts.n_rows - n_present
    if not n_numbers or (options.kind == "auto" and n_words > n_numbers):
        return None
    is_mostly = n_numbers >= NUMBER_SHARE * n_present and not _are_coded(texts, unread)
    if options.kind == "auto" and not is_mostly and not _are_tokens(texts, unread, numbers, n_numbers, n_present):
        return None
    odd = _by_count(texts, unread)
    # The same words are missing in a request; where there are too many of them, each is an error there.
    missing = (
        tuple(dict.fromkeys((*words.missing, *(word for word, _ in odd)))) if len(odd) <= MAX_MISSING_WORDS else ()
    )
    reading = dataclasses.replace(reading, missing=missing or words.missing)
    if odd:
        warnings.append(_odd_warning(column.name, odd, "non-numeric value"))
    if found.doubt:
        choice = f"columns.{column.name}.decimal"
        warnings.append(f"Column {column.name!r}: {found.doubt}. To change that, set {choice}.")
    warnings.extend(f"Column {column.name!r}: {caution}." for caution in found.cautions)
    values = np.full(len(column.labels), np.nan)
    values[texts.places] = numbers
    narrow = dataclasses.replace(number_column(column.name, by_code(values, column.codes)), reading=reading)
    return narrow, ColumnReport(
        name=column.name,
        kind="numeric",
        reading=reading,
        remarks=[*found.remarks, *found.cautions],
        unread=_categories(odd),
    )


def _are_codes(texts: _Texts, found: number_reading.NumberReading, circumstances: Circumstances) -> bool:
    """Return whether numbers with something around them are rather classes: 1a and 1b in a target, <=50K and >50K."""
    few = len(texts.labels) <= MAX_CODES
    return few and ((circumstances.is_target and found.has_flags) or found.bound_share > BOUND_SHARE)


def _are_coded(texts: _Texts, unread: npt.NDArray[np.bool_]) -> bool:
    """Return whether what is no number are codes of a letter and digits, such as V57 among 428 and 250."""
    odd = [texts.labels[i] for i in np.flatnonzero(unread).tolist()]
    return bool(odd) and all(_CODE.fullmatch(label) for label in odd)


def _are_tokens(
    texts: _Texts, unread: npt.NDArray[np.bool_], numbers: npt.NDArray[np.float64], n: int, total: int
) -> bool:
    """Return whether what is no number are a few words that repeat beside many numbers."""
    words = [label for label, odd in zip(texts.labels, unread.tolist(), strict=True) if odd]
    repeat = bool((texts.counts[unread] >= MIN_TOKEN_ROWS).all())
    plain = not any(character.isdigit() for word in words for character in word)
    known = numbers[~np.isnan(numbers)]
    distinct = len(np.unique(known))
    # 1 to 22, X and Y are names.
    letters = all(len(word) == 1 and word.isalpha() and word.lower() not in MISSING_NUMBERS for word in words)
    if letters and distinct <= MAX_CODES + MIN_NUMBERS and bool((known == np.floor(known)).all()):
        return False
    return n >= TOKEN_NUMBER_SHARE * total and len(words) <= MAX_TOKENS and repeat and plain and distinct >= MIN_NUMBERS


def _are_no_numbers(texts: _Texts) -> bool:
    """Return whether texts are dates or codes of digits, or none of them is a number."""
    are_codes = _are_compact_dates(texts.labels) or has_leading_zeros(texts.labels) or _are_long(texts.labels)
    return are_codes or not number_reading.may_be_numbers(texts.labels, texts.counts)


def has_leading_zeros(labels: Sequence[str]) -> bool:
    """Return whether texts are codes: whole numbers of which one begins with a 0 that would be lost."""
    return any(len(label) > 1 and label[0] == "0" and label.isdecimal() for label in labels)


def _are_long(labels: Sequence[str]) -> bool:
    """Return whether one is a whole number of so many digits that it would be rounded: numbers of accounts and the like."""
    long = (label.lstrip("-") for label in labels if len(label) >= N_LONG_DIGITS)
    return any(
        label.isascii() and label.isdecimal() and (len(label) > N_LONG_DIGITS or int(label) >= LONG_NUMBER)
        for label in long
    )


def _are_compact_dates(labels: Sequence[str]) -> bool:
    """Return whether all texts are days such as 20200131, of which there are too many for that to be by chance."""
    _, unread = date_reading.parse(labels[:1000], PLAIN)
    return len(labels) >= MIN_COMPACT_DATES and not unread.any() and all(label[:8].isdecimal() for label in labels)


def _as_date(
    column: TextColumn, texts: _Texts, words: Reading, circumstances: Circumstances, warnings: list[str]
) -> tuple[Column, ColumnReport] | None:
    if not texts.labels or (circumstances.options.kind == "auto" and date_reading.are_no_dates(texts.labels)):
        return None
    order, doubt = date_reading.date_order(texts.labels)
    if circumstances.options.date_order != "auto":
        order, doubt = circumstances.options.date_order, ""
    reading = dataclasses.replace(words, date_order=order)
    if circumstances.options.kind == "auto" and not date_reading.may_be_dates(texts.labels, reading):
        return None
    dates, unread = date_reading.parse(texts.labels, reading)
    n_dates = int(texts.counts[~np.isnat(dates)].sum())
    n_present = n_dates + int(texts.counts[unread].sum())
    is_mostly = n_dates >= DATE_SHARE * n_present and 2 * n_dates >= texts.n_rows
    is_enough = is_mostly or _are_date_tokens(texts, unread, n_dates)
    if not n_dates or (circumstances.options.kind == "auto" and not is_enough):
        return None
    odd = _by_count(texts, unread)
    if len(odd) <= MAX_MISSING_WORDS:
        reading = dataclasses.replace(reading, missing=(*reading.missing, *(word for word, _ in odd)))
    if odd:
        warnings.append(_odd_warning(column.name, odd, "value that is no date", "values that are no dates"))
    if doubt:
        warnings.append(f"Column {column.name!r}: {doubt}. To change that, set columns.{column.name}.date_order.")
    moments = np.full(len(column.labels) + 1, np.datetime64("NaT", "s"))
    moments[texts.places] = dates
    remarks = {"dmy": ["day before month"], "mdy": ["month before day"]}.get(order, [])
    report = ColumnReport(name=column.name, kind="date", reading=reading, remarks=remarks, unread=_categories(odd))
    row_moments = moments[column.codes]
    return DateColumn(column.name, row_moments, _hashes(column, ~np.isnat(row_moments)), reading), report


def _are_date_tokens(texts: _Texts, unread: npt.NDArray[np.bool_], n_dates: int) -> bool:
    """Return whether what is no date are a few words that repeat beside many dates."""
    words = [texts.labels[i] for i in np.flatnonzero(unread).tolist()] if unread.sum() <= MAX_TOKENS else []
    repeat = bool((texts.counts[unread] >= MIN_TOKEN_ROWS).all())
    plain = not any(character.isdigit() for word in words for character in word)
    n_distinct = len(texts.labels) - len(words)
    return (
        bool(words) and repeat and plain and n_dates >= TOKEN_NUMBER_SHARE * texts.n_rows and n_distinct >= MIN_NUMBERS
    )


def _as_text(
    column: TextColumn, texts: _Texts, words: Reading, circumstances: Circumstances
) -> tuple[Column, ColumnReport] | None:
    if not texts.labels or circumstances.is_target:
        return None
    if circumstances.options.kind == "auto" and not (
        text_reading.are_many(texts.counts) and text_reading.are_texts(column.name, texts.labels)
    ):
        return None
    # In lower case, too, as the words of a text are.
    reading = dataclasses.replace(words, kept=tuple(dict.fromkeys((*words.kept, *map(str.casefold, words.kept)))))
    parsed, remarks = text_reading.parse(column.labels, reading)
    places = np.array([i if text else -1 for i, text in enumerate(parsed)] + [-1], dtype=np.int32)
    report = ColumnReport(name=column.name, kind="text", reading=reading, remarks=remarks)
    codes = places[column.codes]
    return FreeTextColumn(column.name, codes, parsed, reading, written=column.labels), report


def _as_category(
    column: TextColumn, texts: _Texts, words: Reading, circumstances: Circumstances
) -> tuple[Column, ColumnReport]:
    folded: dict[str, list[int]] = {}
    read = [read_category(label, words) for label in texts.labels]
    for i, label in enumerate(read):
        folded.setdefault(label.casefold(), []).append(i)
    variants = [group for group in folded.values() if len(group) > 1]
    # One letter in two cases may be two codes, such as m for minutes and M for months.
    is_letter_pair = set(folded) in LETTER_PAIRS
    is_safe = is_letter_pair or all(len(read[group[0]]) > 1 for group in variants)
    folds = not circumstances.is_target and is_safe
    spelling = dict(zip(texts.labels, read, strict=True))
    remarks = []
    if folds and variants:
        for group in variants:
            usual = read[max(group, key=lambda i: int(texts.counts[i]))]
            spelling |= {texts.labels[i]: usual for i in group}
        shown = listed([" = ".join(repr(texts.labels[i]) for i in group) for group in variants], MAX_SHOWN)
        remarks.append(f"spellings taken as one category: {shown}")
    reading = dataclasses.replace(words, folds_case=folds)
    labels = [spelling.get(label, "") for label in column.labels]
    relabelled = _relabelled(column, labels)
    has_changed = any(spelling[label] != label for label in texts.labels)
    hashes = _hashes(column, relabelled.present) if has_changed else None
    relabelled = dataclasses.replace(relabelled, reading=reading, row_hashes=hashes)
    return relabelled, ColumnReport(name=column.name, kind="categorical", reading=reading, remarks=remarks)


def _hashes(column: TextColumn, present: npt.NDArray[np.bool_]) -> Hashes:
    """Return the hash of each row's text as it is written, 0 where it is missing."""
    return np.where(present, column.hashes(), np.uint64(0))


def _relabelled(column: TextColumn, labels: Sequence[str]) -> TextColumn:
    """Return the column with other labels for its codes, equal ones merged and "" as missing."""
    positions: dict[str, int] = {}
    table = [positions.setdefault(label, len(positions)) if label else -1 for label in labels]
    codes = np.array([*table, -1], dtype=np.int32)[column.codes]
    return TextColumn(column.name, codes, list(positions), column.reading)


def by_code(values: npt.ArrayLike, codes: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """Return the value of each code; NaN for the code -1."""
    table = np.append(np.asarray(values, dtype=np.float64), np.nan)
    return np.asarray(table[codes], dtype=np.float64)


def _missing_words(labels: Sequence[str], counts: Counts, reading: Reading, kind: str) -> list[Category]:
    """Return the words that were read as missing, blank cells aside, most frequent first."""
    words = [
        (label, int(counts[i]))
        for i, label in enumerate(labels)
        if label
        and counts[i]
        and (is_missing(label, reading) or (kind in {"numeric", "boolean", "date"} and _is_number_word(label)))
    ]
    return _categories(sorted(words, key=lambda word: (-word[1], word[0]))[:MAX_LISTED])


def _is_number_word(label: str) -> bool:
    return label.lower() in MISSING_NUMBERS


def _by_count(texts: _Texts, chosen: npt.NDArray[np.bool_]) -> list[tuple[str, int]]:
    places = np.flatnonzero(chosen)
    pairs = [(texts.labels[i], int(texts.counts[i])) for i in places.tolist()]
    return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))


def _categories(pairs: Sequence[tuple[str, int]]) -> list[Category]:
    return [Category(value=value[:200], count=count) for value, count in pairs[:MAX_LISTED]]


def _odd_warning(name: str, odd: list[tuple[str, int]], one: str, many: str = "") -> str:
    n_rows = sum(count for _, count in odd)
    examples = ", ".join(repr(text) + (f" {count:,} times" if count > 1 else "") for text, count in odd[:MAX_SHOWN])
    return f"Column {name!r}: {plural(n_rows, one, many) if many else plural(n_rows, one)} treated as missing ({examples})."
