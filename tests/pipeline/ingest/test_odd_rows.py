"""Rows that are no data are found and left out: the header again, units, totals, notes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.ingest import tables
from pipeline.ingest.columns import Column, NumberColumn, TextColumn


def values(column: Column) -> list[Any]:
    assert isinstance(column, NumberColumn)
    return [None if np.isnan(value) else float(value) for value in column.values]


def test_rows_that_are_no_data_are_left_out_and_said_when_the_header_comes_again(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [f"{i * 7 % 20}.5,{'xyz'[i % 3]},{i % 2}" for i in range(20)]
    path.write_text("\n".join(["a,b,c", *rows[:10], "a,b,c", *rows[10:], ""]))
    table = tables.read([path])
    assert table.n_rows == 20
    assert values(table.columns["a"])[9:11] == [3.5, 10.5]
    assert isinstance(table.columns["b"], TextColumn)
    assert table.columns["b"].labels == ["x", "y", "z"]
    assert table.warnings == ["1 row is the header again, left out: row 11 of the table."]


def test_a_row_of_units_is_left_out_and_said_when_it_stands_below_the_header(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["a,b", "(cm),(name)", *(f"{i * 7 % 20}.5,{'xyz'[i % 3]}" for i in range(20)), ""]))
    table = tables.read([path])
    assert table.n_rows == 20
    assert isinstance(table.columns["a"], NumberColumn)
    assert table.warnings == ["1 row is units and not values, left out: row 1 of the table."]


@pytest.mark.parametrize(
    ("word", "total"),
    [("Total", "190"), ("Summe", "190"), ("Average", "9.5"), ("Grand total", "190.0"), ("TOTAL", "250")],
)
def test_a_total_is_left_out_and_said_when_it_is_the_last_row(tmp_path: Path, word: str, total: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["b,a", *(f"{'xyz'[i % 3]},{i * 7 % 20}" for i in range(20)), f"{word},{total}", ""]))
    table = tables.read([path])
    assert table.n_rows == 20
    assert table.warnings == ["1 row is a total or an average of the others, left out: row 21 of the table."]


def test_the_last_row_stays_when_it_is_only_called_like_a_total(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["b,a", *(f"{'xyz'[i % 3]},{i * 7 % 20}" for i in range(20)), "Total,7", ""]))
    assert tables.read([path]).n_rows == 21


def test_notes_below_the_table_are_left_out_and_said_when_they_fill_a_row(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [f"{i * 7 % 11},{'xyz'[i % 3]}" for i in range(20)]
    path.write_text("\n".join(["a,b", *rows, "Source: own survey,", "* preliminary,", ""]))
    table = tables.read([path])
    assert table.n_rows == 20
    assert isinstance(table.columns["a"], NumberColumn)
    assert table.warnings == ["2 rows are a note below the table, left out: row 21, 22 of the table."]
