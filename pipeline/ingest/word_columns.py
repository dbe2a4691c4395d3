"""Makes free text of a column of texts, if it is some, and categories of any other."""

from dataclasses import replace
from typing import Final

import numpy as np

from pipeline.core.cells import read_category
from pipeline.core.sentences import listed
from pipeline.core.table_profile import ColumnReport
from pipeline.ingest import text_reading
from pipeline.ingest.columns import FreeTextColumn, TextColumn
from pipeline.ingest.untyped import MAX_SHOWN, Found, UntypedColumn

LETTER_PAIRS: Final = ({"y", "n"}, {"t", "f"}, {"m", "f"}, {"w", "m"})  # in either case they mean the same


def as_text(untyped: UntypedColumn) -> Found | None:
    """Return the column as words if its texts are of several words and too many to be categories; never a target."""
    if not untyped.texts or untyped.circumstances.is_target:
        return None
    if untyped.is_open and not (
        text_reading.are_many(untyped.counts) and text_reading.are_texts(untyped.name, untyped.texts)
    ):
        return None
    # In lower case, too, as the words of a text are.
    kept = dict.fromkeys((*untyped.words.kept, *map(str.casefold, untyped.words.kept)))
    reading = replace(untyped.words, kept=tuple(kept))
    column = untyped.column
    parsed, remarks = text_reading.parse(column.labels, reading)
    places = np.array([i if words else -1 for i, words in enumerate(parsed)] + [-1], dtype=np.int32)
    found = FreeTextColumn(column.name, places[column.codes], parsed, reading, written=column.labels)
    return found, ColumnReport(name=column.name, kind="text", reading=reading, remarks=remarks)


def as_category(untyped: UntypedColumn) -> Found:
    """Return the column as categories, with spellings of one as the most frequent of them."""
    read = [read_category(text, untyped.words) for text in untyped.texts]
    folded: dict[str, list[int]] = {}
    for i, category in enumerate(read):
        folded.setdefault(category.casefold(), []).append(i)
    variants = [group for group in folded.values() if len(group) > 1]
    # One letter in two cases may be two codes, such as m for minutes and M for months.
    is_safe = set(folded) in LETTER_PAIRS or all(len(read[group[0]]) > 1 for group in variants)
    folds = not untyped.circumstances.is_target and is_safe
    remarks = []
    if folds and variants:
        for group in variants:
            usual = read[max(group, key=lambda i: int(untyped.counts[i]))]
            for i in group:
                read[i] = usual
        shown = listed([" = ".join(repr(untyped.texts[i]) for i in group) for group in variants], MAX_SHOWN)
        remarks.append(f"spellings taken as one category: {shown}")
    reading = replace(untyped.words, folds_case=folds)
    column = _relabelled(untyped, read)
    if read != untyped.texts:
        column = replace(column, row_hashes=untyped.hashes(column.present))
    report = ColumnReport(name=untyped.name, kind="categorical", reading=reading, remarks=remarks)
    return replace(column, reading=reading), report


def _relabelled(untyped: UntypedColumn, read: list[str]) -> TextColumn:
    """Return the column with what was read of each text as labels, equal ones merged and "" as missing."""
    positions: dict[str, int] = {}
    codes = [positions.setdefault(label, len(positions)) if label else -1 for label in read]
    by_row = untyped.by_row(np.array(codes, dtype=np.int32), np.int32(-1))
    return TextColumn(untyped.name, by_row, list(positions))
