"""A table is found in a text, whatever stands above and below it, and quotes swallow no rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.core.problems import DataError
from pipeline.ingest import tables
from pipeline.ingest.columns import Column, DateColumn, NumberColumn, Table, TextColumn

EXPECTED = {"x": [1.5, 2.25, 9.75], "b": ["u", "v", "u"]}


def read(folder: Path, text: str) -> Table:
    path = folder / "t.csv"
    path.write_text(text, encoding="utf-8")
    return tables.read([path])


def values(column: Column) -> list[Any]:
    if isinstance(column, TextColumn | DateColumn):
        return [text or None for text in column.texts(slice(None))]
    assert isinstance(column, NumberColumn)
    return [None if np.isnan(value) else float(value) for value in column.values]


def all_values(table: Table) -> dict[str, list[Any]]:
    return {name: values(column) for name, column in table.columns.items()}


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("Quarterly report\nGenerated 2020-01-01\n\nx,b\n1.5,u\n2.25,v\n9.75,u\n", "line 4; left out above it: 'Quarterly report'"),
        ("Report,\n,\nx,b\n1.5,u\n2.25,v\n9.75,u\n", ""),
        ("# made by a program\n# version 2, of today\nx,b\n1.5,u\n2.25,v\n9.75,u\n", "line 3"),
        ("sep=;\nx;b\n1,5;u\n2,25;v\n9,75;u\n", "line 2"),
        ("sep=|\nx|b\n1.5|u\n2.25|v\n9.75|u\n", "line 2"),
        ('"x"\t"b"\n"1"\t1.5\t"u"\n"2"\t2.25\t"v"\n"3"\t9.75\t"u"\n', "numbers the rows"),
        ("x b\ng0 1.5 u\ng1 2.25 v\ng2 9.75 u\n".replace(" ", ","), "numbers the rows"),
        ("x^b\n1.5^u\n2.25^v\n9.75^u\n", "separated by '^'"),
        ("x:b\n1.5:u\n2.25:v\n9.75:u\n", "separated by ':'"),
    ],
)  # fmt: skip
def test_a_table_is_found_when_something_stands_around_it(tmp_path: Path, text: str, note: str) -> None:
    table = read(tmp_path, text)
    assert all_values(table) == EXPECTED
    assert any(note in each for each in [*table.notes, ""])


def test_a_first_column_has_a_name_when_row_names_stand_before_it_and_it_has_none(tmp_path: Path) -> None:
    table = read(tmp_path, ",b\ng0,1.5,u\ng1,2.25,v\ng2,9.75,u\n")
    assert all_values(table) == {"column 1": [1.5, 2.25, 9.75], "b": ["u", "v", "u"]}


def test_a_number_sign_belongs_to_the_header_when_numbers_follow(tmp_path: Path) -> None:
    assert list(read(tmp_path, "#chrom,pos\n1,5.5\n2,7.5\n1,8.5\n").columns) == ["#chrom", "pos"]


@pytest.mark.parametrize(
    "notes", ["Source: own survey\n", "* preliminary\nSource: survey, 2020\n", "Note, all in kg\n"]
)
def test_notes_below_a_table_are_left_out_when_there_are_some(tmp_path: Path, notes: str) -> None:
    rows = "".join(f"{i * 7 % 11}.5,{'uv'[i % 2]},{i % 3}\n" for i in range(20))
    table = read(tmp_path, f"x,b,c\n{rows}{notes}")
    assert table.n_rows == 20
    assert isinstance(table.columns["x"], NumberColumn)
    assert "a note below the table" in table.warnings[0]


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_no_row_is_swallowed_when_a_quote_is_stray(tmp_path: Path, delimiter: str) -> None:
    rows = [
        [f"{i * 7 % 100}.5", f'"oops {i % 3}' if i in {20, 70} else f"word {i % 3}", "uv"[i % 2]] for i in range(100)
    ]
    table = read(tmp_path, "\n".join(delimiter.join(row) for row in [["x", "t", "b"], *rows, []]))
    assert table.n_rows == 100
    assert values(table.columns["t"])[19:22] == ["word 1", "oops 2", "word 0"]
    assert "a quote in line 22 is never closed" in " ".join(table.notes)


def test_a_quote_is_refused_with_its_line_when_rows_are_no_rows_without_it(tmp_path: Path) -> None:
    rows = [f'{i}.5,"a, b",{"uv"[i % 2]}' for i in range(40)]
    rows[10], rows[30] = '10.5,"stray,u', '30.5,"stray,u'
    with pytest.raises(DataError) as caught:
        read(tmp_path, "\n".join(["x,t,b", *rows, ""]))
    assert caught.value.id == "DATA-28"
    assert "line 12" in caught.value.why


def test_a_cell_keeps_its_line_breaks_when_it_is_quoted(tmp_path: Path) -> None:
    rows = "".join(f'{i * 7 % 11}.5,"Dear Sir,\nthank you, {i % 3}",u\n' for i in range(20))
    table = read(tmp_path, f"x,t,b\n{rows}")
    assert table.n_rows == 20
    assert values(table.columns["t"])[0] == "Dear Sir,\nthank you, 0"


def test_an_inch_sign_is_a_character_when_it_stands_inside_a_cell(tmp_path: Path) -> None:
    table = read(tmp_path, 'x,t\n1.5,pipe of 5" or so\n2.5,a 6" pipe\n3.5,pipe of 5" or so\n')
    assert values(table.columns["t"]) == ['pipe of 5" or so', 'a 6" pipe', 'pipe of 5" or so']


@pytest.mark.parametrize("row", [0, 31, 58])
def test_no_row_is_lost_when_a_single_quote_is_never_closed(tmp_path: Path, row: int) -> None:
    rows = [f"{i * 7 % 31},red,{i % 2}" for i in range(60)]
    rows[row] = '1,"red,1'
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["x,color,target", *rows, ""]))
    table = tables.read([path])
    assert table.n_rows == 60
    assert f"t.csv: a quote in line {row + 2} is never closed: quotes are read as plain characters" in table.notes
