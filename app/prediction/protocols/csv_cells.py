"""Splits CSV into cells, finds the columns that the model knows, and reads their cells as training did."""

import codecs
import csv
import io
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final

from app.prediction.protocols.problems import InvalidTableError
from app.prediction.scoring.model import Model
from app.prediction.scoring.rows import MAX_TEXT
from pipeline.core.cells import match_names
from pipeline.core.manifest import Feature, Scalar
from pipeline.core.sentences import listed

MAX_LINE: Final = 2**20  # a quote that is never closed would otherwise collect the whole table
DELIMITERS: Final = (",", ";", "\t", "|")
SHOWN_NAMES: Final = 10
EXPECTED: Final = {
    "numeric": "a number",
    "boolean": "yes or no",
    "categorical": f"text of at most {MAX_TEXT:,} characters",
    "date": "a date",
    "text": "text",
}
csv.field_size_limit(MAX_LINE)  # one of the whole process; a text may be as long as a line
# Spreadsheets write it above the header, and take the delimiter from it.
_SEPARATOR_LINE: Final = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)


def parse_table(raw: bytes, model: Model, min_share: float) -> list[dict[str, Scalar]]:
    """Return the records of a whole CSV table with a header line; the row reader refuses unknown columns.

    Raises InvalidTableError API-09 (400); a cell that does not fit stays text.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidTableError("It is not UTF-8 text.") from error
    text, delimiter = split_head(text, model.names, model.manifest.delimiter)
    lines = [cells for cells in _parse(text, delimiter) if cells]
    if not lines:
        raise InvalidTableError("The body is empty.")
    header, *rows = lines
    header = with_names(header, model)
    if len(set(header)) < len(header):
        raise InvalidTableError("Duplicate columns in the header.")
    known = known_columns(header, model, min_share)
    records: list[dict[str, Scalar]] = []
    for number, cells in enumerate(rows):
        if len(cells) != len(header):
            raise InvalidTableError(f"Row {number} has {len(cells)} cells where the header has {len(header)}.")
        record: dict[str, Scalar] = {}
        for name, cell in zip(header, cells, strict=True):
            if not name.strip() and name not in known:  # row numbers
                continue
            try:
                record[name] = value(cell, model, known[name]) if name in known else cell
            except ValueError:
                record[name] = cell
        records.append(record)
    return records


def known_columns(header: Sequence[str], model: Model, min_share: float) -> dict[str, str]:
    """Return the feature of each column that stands for one.

    Raises InvalidTableError API-09 (400) if there is none, if there are fewer than `min_share` of the model's features, or
    if two columns stand for the same one.
    """
    features = set(model.names)
    known = {sent: name for sent, name in match_names(header, model.names).items() if name in features}
    if not known:
        raise InvalidTableError(f"No column is a feature of the model: {', '.join(header)[:200]}.")
    duplicates = sorted({name for name in header if name in known and header.count(name) > 1})
    if duplicates:
        raise InvalidTableError(f"Duplicate columns: {', '.join(duplicates)[:200]}.")
    if len(known) < min_share * len(model.names):
        absent = [name for name in model.names if name not in known.values()]
        raise InvalidTableError(
            f"It has {len(known)} of the {len(model.names)} features, and at least {min_share:.0%} of them are required; "
            f"it lacks {listed(absent, SHOWN_NAMES)}."
        )
    return known


def with_names(header: Sequence[str], model: Model) -> list[str]:
    """Return the header with the names that training gave to columns without one, where the model knows them."""
    known = {*model.names, *model.left_out}
    places = [(name, f"column {i + 1}") for i, name in enumerate(header)]
    return [place if not name.strip() and place in known else name for name, place in places]


def split_head(text: str, names: Sequence[str], usual: str) -> tuple[str, str]:
    """Return the table without a line that only names the delimiter, and the delimiter: that one, or the one with which the
    header has most of the `names`, first of all the `usual` one.
    """
    if match := _SEPARATOR_LINE.match(text):
        return text[match.end() :], match[1]
    line = next((line for line in text.splitlines() if line.strip()), "")
    return text, max(dict.fromkeys((usual, *DELIMITERS)), key=lambda delimiter: _n_known(line, delimiter, names))


def _n_known(line: str, delimiter: str, names: Sequence[str]) -> int:
    header = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    return len(match_names(header, names))


def value(cell: str, model: Model, name: str) -> Scalar:
    """Return the value of a cell of the feature `name`, None for missing. Raises ValueError if it does not fit."""
    cells = model.cells[name]
    if not cells.is_text:
        number = cells.number(cell)
        return None if number != number else number  # noqa: PLR0124 - only NaN differs from itself
    if cells.kind != "text" and len(cell) > MAX_TEXT and len(cell.strip()) > MAX_TEXT:
        raise ValueError(cell)
    return cells.text(cell) or None


def expected(feature: Feature) -> str:
    """Return what a cell of a feature must be, in words."""
    is_comma = feature.kind == "numeric" and feature.reading.decimal == ","
    return EXPECTED[feature.kind] + (" with a decimal comma, such as 7,5" if is_comma else "")


async def rows_of(
    chunks: AsyncIterator[bytes], names: Sequence[str] = (), usual: str = ","
) -> AsyncIterator[list[str]]:
    """Yield the cells of each row as soon as it is complete; `names` and the `usual` delimiter find the delimiter.

    Raises InvalidTableError API-09 (400).
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    pending, enough = "", 0
    delimiter, width = "", 0
    async for chunk in chunks:
        pending += _decoded(decoder, chunk)
        if len(pending) < enough:
            continue
        end = pending.rfind("\n") + 1
        if not delimiter and _has_header(pending[:end]):
            pending, delimiter = split_head(pending, names, usual)
            end = pending.rfind("\n") + 1
        if delimiter:
            rows, rest = _whole_rows(pending[:end], delimiter, width)
            for cells in rows:
                width = width or len(cells)
                yield cells
            pending = rest + pending[end:]
        # A row that arrives in tiny pieces is not parsed again at each of them.
        enough = 2 * len(pending)
        if len(pending) > MAX_LINE:
            raise InvalidTableError("A row has no end; a quote may be unclosed.")
    pending += _decoded(decoder, b"", final=True)
    if not delimiter:
        pending, delimiter = split_head(pending, names, usual)
    for cells in _parse(pending, delimiter, width):
        yield cells


def _whole_rows(text: str, delimiter: str, width: int) -> tuple[list[list[str]], str]:
    """Return the cells of the rows that are complete, and the lines of the one that is not."""
    lines = io.StringIO(text, newline="").readlines()
    # A blank line more ends the last row, or is taken into it where a quote is open: that row is not whole yet.
    reader = csv.reader([*lines, "\n"], delimiter=delimiter, skipinitialspace=True)
    rows: list[list[str]] = []
    n_whole = 0
    try:
        for cells in reader:
            if reader.line_num > len(lines):
                break
            rows += _rows_in(cells, lines[n_whole : reader.line_num], delimiter, width)
            width = width or len(cells)
            n_whole = reader.line_num
    except csv.Error as error:
        raise InvalidTableError(f"{error}.") from error
    return rows, "".join(lines[n_whole:])


def _has_header(lines: str) -> bool:
    """Return whether there is a line with text, besides one that only names the delimiter."""
    match = _SEPARATOR_LINE.match(lines)
    return bool(lines[match.end() if match else 0 :].strip())


def _decoded(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> str:
    try:
        return decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        raise InvalidTableError("It is not UTF-8 text.") from error


def _rows_in(cells: list[str], lines: list[str], delimiter: str, width: int) -> list[list[str]]:
    """Return a row of several lines; or several rows, if each line has all cells by itself, so that a stray quote, as in
    `5" pipe`, would have swallowed them.
    """
    if len(lines) == 1 or width < 2:
        return [cells]
    rows = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True, quoting=csv.QUOTE_NONE))
    if any(len(row) != width for row in rows):
        return [cells]
    return [[cell.strip().strip('"') for cell in row] for row in rows]


def _parse(text: str, delimiter: str, width: int = 0) -> Iterator[list[str]]:
    lines = io.StringIO(text, newline="").readlines()
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    n_read = 0
    try:
        for cells in reader:
            yield from _rows_in(cells, lines[n_read : reader.line_num], delimiter, width)
            width = width or len(cells)
            n_read = reader.line_num
    except csv.Error as error:
        raise InvalidTableError(f"{error}.") from error
