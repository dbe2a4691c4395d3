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


LABELS = [
    "Gesamtergebnis",
    "Totaal",
    "Razem",
    "Итого",
    "合計",
    "Σ",
    "Overall total",
    "Sub-total",
    "Total:",
    "AVG.",
    "Report total",
]
A, B = [i * 7 % 20 + 1 for i in range(20)], [i * 3 % 17 + 0.5 for i in range(20)]


def written(folder: Path, lines: list[str], name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([*lines, ""]), "utf-8")
    return path


def data(first: int = 0, last: int = 20) -> list[str]:
    return [f"{'xyz'[i % 3]}{i},{A[i]},{B[i]}" for i in range(first, last)]


@pytest.mark.parametrize("label", [*LABELS, ""])
def test_a_total_is_left_out_when_it_is_called_so_in_another_language_or_not_at_all(tmp_path: Path, label: str) -> None:
    sums = (np.mean(A), np.mean(B)) if label == "AVG." else (sum(A), sum(B))
    table = tables.read([written(tmp_path, ["b,a,c", *data(), f"{label},{sums[0]},{sums[1]}"])])
    assert table.n_rows == 20
    assert table.warnings[0] == "1 row is a total or an average of the others, left out: row 21 of the table."


def test_totals_and_summaries_are_left_out_when_several_follow_one_another(tmp_path: Path) -> None:
    rows = [
        f"Median,{np.median(A)},{np.median(B)}",
        f"Max,{max(A)},{max(B)}",
        f"Std. Dev.,{np.std(A, ddof=1):.4f},{np.std(B, ddof=1):.4f}",
    ]
    table = tables.read([written(tmp_path, ["b,a,c", *data(), *rows, f"Total,{sum(A)},{sum(B)}"])])
    assert table.n_rows == 20


def test_a_total_is_left_out_when_it_is_the_first_row(tmp_path: Path) -> None:
    table = tables.read([written(tmp_path, ["b,a,c", f"All regions,{sum(A)},{sum(B)}", *data()])])
    assert table.n_rows == 20
    assert "row 1 of the table" in table.warnings[0]


def test_subtotals_are_left_out_when_they_stand_between_rows(tmp_path: Path) -> None:
    north, south = (sum(A[:12]), sum(B[:12])), (sum(A[12:]), sum(B[12:]))
    rows = [*data(0, 12), f"North total,{north[0]},{north[1]}", *data(12), f"South total,{south[0]},{south[1]}"]
    table = tables.read([written(tmp_path, ["b,a,c", *rows, f"Grand Total,{sum(A)},{sum(B)}"])])
    assert table.n_rows == 20
    assert table.warnings[0].startswith("3 rows are a total")


@pytest.mark.parametrize("label", ["Mean Street", "Total Recall", "Sum City", "All", "Max"])
def test_a_row_stays_when_its_label_only_begins_like_that_of_a_total(tmp_path: Path, label: str) -> None:
    last = "90,60.5" if " " in label else "7,8.5"
    assert tables.read([written(tmp_path, ["b,a,c", *data(), f"{label},{last}"])]).n_rows == 21


def test_odd_rows_are_left_out_when_each_of_several_files_has_its_own(tmp_path: Path) -> None:
    for k in range(2):
        part = slice(10 * k, 10 * k + 10)
        rows = [*data(part.start, part.stop), f"Total,{sum(A[part])},{sum(B[part])}", "Source: x,,"]
        written(tmp_path, ["b,a,c", "name,kg,%", *rows], f"{k}.csv")
    table = tables.read([tmp_path / "0.csv", tmp_path / "1.csv"])
    assert table.n_rows == 20
    assert values(table.columns["a"]) == A
    assert [warning.split(",")[0] for warning in table.warnings] == [
        "2 rows are units and not values",
        "2 rows are a total or an average of the others",
        "2 rows are a note below the table",
    ]


@pytest.mark.parametrize("units", [["s,s,class"], ["s,°C,[-]"], ["m,m,s"], ["[s],[K],[-]", "float,float,enum"]])
def test_rows_of_units_are_left_out_when_they_look_like_missing_values(tmp_path: Path, units: list[str]) -> None:
    rows = [f"{A[i]}.5,{B[i]},{['up', 'down'][i % 2]}" for i in range(20)]
    table = tables.read([written(tmp_path, ["time,temp,target", *units, *rows])], target="target")
    assert table.n_rows == 20
    assert isinstance(table.columns["time"], NumberColumn)


def test_the_header_is_left_out_when_it_comes_again_in_another_case(tmp_path: Path) -> None:
    assert tables.read([written(tmp_path, ["b,a,c", *data(0, 10), "B, A ,C", *data(10)])]).n_rows == 20


@pytest.mark.parametrize(
    "note", ["[1] Provisional.", "1) Provisional.", "(60 rows)", "60 rows selected.", "Last Updated: 2020"]
)
def test_a_note_is_left_out_when_it_begins_with_a_sign(tmp_path: Path, note: str) -> None:
    assert tables.read([written(tmp_path, ["b,a,c", *data(), f"{note},,"])]).n_rows == 20


def test_a_table_is_read_when_a_statistical_office_ends_it_with_a_line_and_a_copyright(tmp_path: Path) -> None:
    end = ["______________", "© Statistisches Bundesamt (Destatis), 2020", "Stand: 01.02.2020 / 10:00:00"]
    assert tables.read([written(tmp_path, ["b;a;c", *(row.replace(",", ";") for row in data()), *end])]).n_rows == 20


CLEAN = {
    "a state called SD": ["state,electoral,won", *(f"S{i},{3 + i * 7 % 19},{i % 2}" for i in range(40)), "SD,3,0", "TN,11,1"],
    "a department called Media": ["dept,heads", *(f"D{i},{9 + i % 3}" for i in range(8)), "Media,10"],
    "somebody called All": ["who,price,n", *(f"P{i},{i * 7 % 19},{i % 5}" for i in range(20)), "All,99,4"],
    "a phone called Note": ["model,size,price,t", *(f"M{i},{i % 7},{i * 3 % 11},x" for i in range(20)), "Note 10,,5,y"],
    "a plan for free": ["plan,price,t", "Basic,Free,maybe", *(f"Pro {i},{10 + i * 7 % 5},{'yn'[i % 2]}" for i in range(20))],
    "sparse flags": ["a,b", "0,0", "1,0", "0,0", "0,1", "0,0", "1,1", "0,0", "0,0"],
    "powers of two": ["cases,target", *(f"{2**max(i - 1, 0)},{i % 2}" for i in range(22))],
    "somebody called Max": ["who,a,b,t", *(f"P{i},{1990 + i},{1980 + i},{i % 2}" for i in range(12)), "Max,2002,1992,0"],
    "a name with a sign": ["#sample,group,result", *(f"{'AB'[i % 2]},{['trt', 'ctl'][i % 2]},{['neg', 'pos'][i % 2]}" for i in range(20))],
}  # fmt: skip


@pytest.mark.parametrize("name", CLEAN)
def test_all_rows_stay_when_the_table_only_looks_odd(tmp_path: Path, name: str) -> None:
    lines = CLEAN[name]
    table = tables.read([written(tmp_path, lines)])
    assert table.n_rows == len(lines) - 1
    assert next(iter(table.reports)) == lines[0].split(",")[0]
