"""Tables on their way to the API, and back: whole, and safe to open in a spreadsheet."""

import csv
import io

import pytest

from app.frontend.csv_tables import BLOCK_ROWS, escape_formula, read_blocks, read_head, shorten_number


def test_every_row_is_sent_when_blank_lines_fill_a_block() -> None:
    table = b"\nage;city\n" + b"40;a\n" * 3 + b"\n" * (2 * BLOCK_ROWS) + b"41;b\n" * BLOCK_ROWS
    blocks = [list(csv.reader(io.StringIO(block.decode()))) for block in read_blocks(io.BytesIO(table), ";")]
    assert [block[0] for block in blocks] == [["age", "city"]] * 2
    assert [row for block in blocks for row in block[1:]] == [["40", "a"]] * 3 + [["41", "b"]] * BLOCK_ROWS


@pytest.mark.parametrize(
    ("table", "header", "delimiter"),
    [
        ('"first\nline";age\n1;2\n', ["first\nline", "age"], ";"),
        ('"a\u2028b",age\n1,2\n', ["a\u2028b", "age"], ","),
        ('"a, b, c";age\n1;2\n', ["a, b, c", "age"], ";"),
    ],
)
def test_the_header_is_the_whole_first_row_when_its_names_hold_line_ends_or_delimiters(
    table: str, header: list[str], delimiter: str
) -> None:
    assert read_head(io.BytesIO(table.encode())) == (header, delimiter)


@pytest.mark.parametrize(("cell", "safe"), [("+1", "+1"), ("-x", "'-x"), ("\t=1", "'\t=1"), ("a=b", "a=b"), ("", "")])
def test_a_cell_gets_an_apostrophe_when_it_could_be_run(cell: str, safe: str) -> None:
    assert escape_formula(cell) == safe


@pytest.mark.parametrize(
    ("cell", "short"),
    [
        ("0.9992767572402954", "0.9993"),
        ("0.5", "0.5"),
        ("1.0", "1.0"),
        ("169.41232299804688", "169.4"),
        ("a.b.c.d.e", "a.b.c.d.e"),
        ("123456789", "123456789"),
        ("", ""),
    ],
)
def test_a_prediction_is_short_when_the_preview_shows_it(cell: str, short: str) -> None:
    assert shorten_number(cell) == short
