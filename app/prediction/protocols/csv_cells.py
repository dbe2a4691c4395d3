"""Splits CSV into cells, and converts cells to values as training does."""

import codecs
import csv
import io
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final

from app.prediction.protocols.problems import InvalidTableError
from app.prediction.scoring.rows import MAX_TEXT
from pipeline.core.bundle import Feature, Scalar
from pipeline.core.cells import BOOLEANS, FLOAT32_MAX, MISSING_NUMBERS, MISSING_TOKENS, read_number

MAX_LINE: Final = 2**20  # a quote that is never closed would otherwise collect the whole table
EXPECTED: Final = {
    "numeric": "a number",
    "boolean": "yes or no",
    "categorical": f"text of at most {MAX_TEXT:,} characters",
}


def parse_table(raw: bytes, features: Sequence[Feature]) -> list[dict[str, Scalar]]:
    """Return the records of a whole CSV table with a header line; the row reader refuses unknown columns.

    Raises InvalidTableError API-09 (400); a cell that is not a number stays text.
    """
    try:
        lines = [cells for cells in _parse(raw.decode("utf-8-sig")) if cells]
    except UnicodeDecodeError as error:
        raise InvalidTableError("It is not UTF-8 text.") from error
    if not lines:
        raise InvalidTableError("The body is empty.")
    header, *rows = lines
    if len(set(header)) < len(header):
        raise InvalidTableError("Duplicate columns in the header.")
    by_name = {feature.name: feature for feature in features}
    records: list[dict[str, Scalar]] = []
    for number, cells in enumerate(rows):
        if len(cells) != len(header):
            raise InvalidTableError(f"Row {number} has {len(cells)} cells where the header has {len(header)}.")
        record: dict[str, Scalar] = {}
        for name, cell in zip(header, cells, strict=True):
            feature = by_name.get(name)
            try:
                record[name] = cell if feature is None else value(cell, feature)
            except ValueError:
                record[name] = cell
        records.append(record)
    return records


def value(cell: str, feature: Feature) -> Scalar:
    """Return the value of a cell, None for missing. Raises ValueError if it does not fit the feature."""
    text = cell.strip()
    if feature.kind == "categorical":
        if len(text) > MAX_TEXT:
            raise ValueError(text)
        # A Parquet table may hold such a word as a category.
        return None if text in MISSING_TOKENS and text not in feature.categories else text
    if text in MISSING_TOKENS or text.lower() in MISSING_NUMBERS:
        return None
    if feature.kind == "boolean" and text.lower() in BOOLEANS:
        return BOOLEANS[text.lower()]
    number = read_number(text)
    if not abs(number) <= FLOAT32_MAX or (feature.kind == "boolean" and number not in {0, 1}):
        raise ValueError(text)
    return number


async def rows_of(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[str]]:
    """Yield the cells of each row as soon as it is complete. Raises InvalidTableError API-09 (400)."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    pending, enough = "", 0
    async for chunk in chunks:
        pending += _decoded(decoder, chunk)
        if len(pending) < enough:
            continue
        end = pending.rfind("\n") + 1
        lines = io.StringIO(pending[:end], newline="").readlines()
        # A blank line more ends the last row, or is taken into it where a quote is open: that row is not whole yet.
        rows = csv.reader([*lines, "\n"])
        n_whole = 0
        try:
            for cells in rows:
                if rows.line_num > len(lines):
                    break
                yield cells
                n_whole = rows.line_num
        except csv.Error as error:
            raise InvalidTableError(f"{error}.") from error
        pending = "".join(lines[n_whole:]) + pending[end:]
        # A row that arrives in tiny pieces is not parsed again at each of them.
        enough = 2 * len(pending)
        if len(pending) > MAX_LINE:
            raise InvalidTableError("A row has no end; a quote may be unclosed.")
    pending += _decoded(decoder, b"", final=True)
    for cells in _parse(pending):
        yield cells


def _decoded(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> str:
    try:
        return decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        raise InvalidTableError("It is not UTF-8 text.") from error


def _parse(text: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.StringIO(text, newline=""))
    except csv.Error as error:
        raise InvalidTableError(f"{error}.") from error
