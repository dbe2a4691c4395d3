"""Predicted tables are safe to open in a spreadsheet."""

import pytest

from app.frontend.csv_tables import escape_formula, shorten_number


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
