"""What comes back is safe to open in a spreadsheet."""

import pytest

from app.frontend.csv_tables import escape_formula


@pytest.mark.parametrize(("cell", "safe"), [("+1", "+1"), ("-x", "'-x"), ("\t=1", "'\t=1"), ("a=b", "a=b"), ("", "")])
def test_a_cell_gets_an_apostrophe_when_it_could_be_run(cell: str, safe: str) -> None:
    assert escape_formula(cell) == safe
