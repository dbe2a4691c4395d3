"""Decides what a column of texts is: booleans, numbers, dates, free text or categories."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pipeline.core.cells import MISSING_NUMBERS, MISSING_TOKENS, PLAIN, Reading, is_missing
from pipeline.core.params import ColumnOptions
from pipeline.core.sentences import listed, plural
from pipeline.core.table_profile import Category, ColumnReport
from pipeline.ingest import number_reading
from pipeline.ingest.columns import Column, TextColumn
from pipeline.ingest.date_columns import as_date
from pipeline.ingest.number_columns import as_boolean, as_number
from pipeline.ingest.untyped import MAX_SHOWN, TOKEN_SHARE, Circumstances, Counts, Found, UntypedColumn, counted
from pipeline.ingest.word_columns import as_category, as_text

CLASS_SHARE: Final = 0.1  # of the rows; a word for missing as frequent as this in the target is a class
MIN_CLASSES: Final = 2
MIN_WORD_ROWS: Final = 5  # of a word for missing that may be meant as a category
N_EXAMPLES: Final = 5


@dataclass(frozen=True)
class Typed:
    """A column with its type, the report of how it was read, and warnings for the log."""

    column: Column
    report: ColumnReport
    warnings: list[str]


def infer(column: TextColumn, circumstances: Circumstances) -> Typed:
    """Return a column of texts as the type that its labels have, or that a person decided.

    Two words like yes and no stay text, so that requests use the words of the table. `column.labels` are the texts of the
    files without blanks around them, words for missing included.
    """
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.labels))
    kept, warnings = _kept_words(column, counts, circumstances)
    words = Reading(missing=circumstances.options.missing, kept=kept)
    untyped = UntypedColumn.of(column, counts, words, circumstances, warnings)
    found, report = _found(untyped)
    missing = _missing_words(column.labels, counts, report)
    unread = {cell.value for cell in report.unread}
    remarks = [*report.remarks]
    if unusual := [word for word in missing if word.value not in unread]:
        remarks.append(_say_missing(untyped, report, unusual))
    update = {"examples": untyped.texts[:N_EXAMPLES], "missing": missing, "remarks": remarks}
    return Typed(found, report.model_copy(update=update), warnings)


def _found(untyped: UntypedColumn) -> Found:
    kind = untyped.options.kind
    found = None
    if kind in {"auto", "numeric"}:
        found = as_boolean(untyped) or as_number(untyped)
    if found is None and kind in {"auto", "date"}:
        found = as_date(untyped)
    if found is None and kind in {"auto", "text"}:
        found = as_text(untyped)
    found = found or as_category(untyped)
    untyped.warnings.extend(
        f"Column {untyped.name!r}: {sentence}" for sentence in _overruled(untyped.options, found[1])
    )
    return found


def _overruled(options: ColumnOptions, report: ColumnReport) -> list[str]:
    """Return sentences on what a person decided and the values do not fit."""
    is_number = report.kind in {"numeric", "boolean"}
    said = []
    if options.kind == "numeric" and not is_number:
        said.append("no value can be read as a number.")
    elif options.decimal != "auto" and not is_number:
        said.append(f"too few values are numbers with the decimal mark {options.decimal!r}, which was chosen for it.")
    if options.kind == "date" and report.kind != "date":
        said.append("no value can be read as a date.")
    elif options.date_order != "auto" and report.kind != "date":
        said.append(f"too few values are dates in the order {options.date_order}, which was chosen for it.")
    return said


def _say_missing(untyped: UntypedColumn, report: ColumnReport, words: list[Category]) -> str:
    """Return which words were read as missing; where they could be categories, warn how to keep them."""
    shown = listed([f"{word.value!r} {plural(word.count, 'time')}" for word in words], MAX_SHOWN)
    is_word = any(character.isalpha() for character in words[0].value)
    is_frequent = words[0].count >= MIN_WORD_ROWS
    if report.kind == "categorical" and is_word and is_frequent and not untyped.circumstances.is_target:
        untyped.warnings.append(
            f"Column {untyped.name!r}: read as missing: {shown}. If it is a category, name it in "
            f"columns.{untyped.name}.kept."
        )
    return f"read as missing: {shown}"


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
    if others and (~np.isnan(numbers)).mean() > TOKEN_SHARE:
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


def _missing_words(labels: Sequence[str], counts: Counts, report: ColumnReport) -> list[Category]:
    """Return the words that were read as missing, blank cells aside, most frequent first."""
    has_more = report.kind in {"numeric", "boolean", "date"}
    words = [
        (label, int(counts[i]))
        for i, label in enumerate(labels)
        if label
        and counts[i]
        and (is_missing(label, report.reading) or (has_more and label.lower() in MISSING_NUMBERS))
    ]
    return counted(sorted(words, key=lambda word: (-word[1], word[0])))
