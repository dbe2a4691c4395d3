"""Columns that cannot help are dropped with a reason."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.core.problems import DataError
from pipeline.features.selection import select
from pipeline.ingest import tables
from pipeline.ingest.columns import Table


def read(folder: Path, header: str, rows: list[str]) -> Table:
    path = folder / "t.csv"
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return tables.read([path])


def everything(table: Table) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.ones(table.n_rows, dtype=np.bool_)


def test_useless_columns_are_left_out_with_the_reason_when_there_are_some(tmp_path: Path) -> None:
    rows = [f"{i % 5},7,,x,{i % 2 or ''},word {i},{i % 3},{i % 2}" for i in range(60)]
    table = read(tmp_path, "good,same,empty,same text,same or missing,name,unwanted,t", rows)
    selection = select(table, "t", ["unwanted", "nowhere"], everything(table))
    assert [column.name for column in selection.features] == ["good", "same or missing"]
    assert selection.dropped == {
        "same": "the same value in every training row",
        "empty": "no value in any training row",
        "same text": "the same value in every training row",
        "name": "60 distinct values without words in common: looks like an ID",
        "unwanted": "ignored",
    }
    assert "There is no column 'nowhere' to ignore." in selection.warnings
    assert any(warning.startswith("Column 'empty' is dropped") for warning in selection.warnings)
    assert not any("unwanted" in warning for warning in selection.warnings)


def test_the_reason_is_true_when_huge_numbers_differ_by_less_than_they_are_kept_with(tmp_path: Path) -> None:
    table = read(tmp_path, "good,huge,t", [f"{i},{10**9 + i},{i % 2}" for i in range(9)])
    dropped = select(table, "t", [], everything(table)).dropped
    assert dropped == {"huge": "the same value in every training row, to seven digits"}


def test_one_line_tells_all_when_many_columns_are_left_out_for_one_reason(tmp_path: Path) -> None:
    table = read(tmp_path, "good,t," + ",".join(f"c{i}" for i in range(9)), ["1,0" + ",7" * 9, "2,1" + ",7" * 9])
    warnings = select(table, "t", [], everything(table)).warnings
    assert warnings == [
        "9 columns are dropped: the same value in every training row: 'c0', 'c1', 'c2', 'c3', 'c4', ..."
    ]


def test_only_training_rows_count_when_a_column_is_selected(tmp_path: Path) -> None:
    table = read(tmp_path, "a,b,t", ["1,1,0", "1,2,1", "2,3,0"])
    assert list(select(table, "t", [], np.array([True, True, False])).dropped) == ["a"]


def test_texts_are_left_out_when_each_of_them_is_rare(tmp_path: Path) -> None:
    table = read(tmp_path, "a,city,t", [f"{i * 7 % 31},city {i % 1000},{i % 2}" for i in range(3000)])
    assert "all of them rare" in select(table, "t", [], everything(table)).dropped["city"]


def test_the_table_is_refused_when_no_column_is_left(tmp_path: Path) -> None:
    table = read(tmp_path, "a,b,t", ["1,,0", "1,,1"])
    with pytest.raises(DataError) as caught:
        select(table, "t", [], everything(table))
    assert caught.value.id == "DATA-15"
    assert "a: the same value" in caught.value.why
