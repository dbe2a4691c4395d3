"""A row keeps its side, whatever happens around it."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.core.problems import DataError
from pipeline.features.split import VALIDATION_SHARE, Split, check_split, row_hashes, split
from pipeline.ingest import tables
from pipeline.ingest.columns import Column, NumberColumn, TextColumn, number_column

HASHES = [13430721207518394671, 12858522865686169861, 11564934366182141128]


def sides_by_row(folder: Path, header: str, rows: list[str], name: str = "t.csv") -> dict[str, tuple[bool, bool]]:
    """Of each line: whether it is a test row and whether it is a validation row."""
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    table = tables.read([path])
    chosen = split(row_hashes(table.columns.values(), table.n_rows), 0.3)
    return {row: (bool(t), bool(v)) for row, t, v in zip(rows, chosen.test, chosen.validation, strict=True)}


ROWS = [f"{i / 8},{i % 7},{'é' if i % 2 else 'x'}" for i in range(400)]


def test_a_row_keeps_its_side_when_the_file_grows_and_is_shuffled(tmp_path: Path) -> None:
    before = sides_by_row(tmp_path, "a,b,c", ROWS[:200])
    after = sides_by_row(tmp_path, "a,b,c", ROWS[::-1])
    assert {row: after[row] for row in before} == before
    assert 0 < sum(test for test, _ in before.values()) < 200


def test_a_row_keeps_its_side_when_columns_change_places(tmp_path: Path) -> None:
    before = sides_by_row(tmp_path, "a,b", [row.rpartition(",")[0] for row in ROWS])
    turned = sides_by_row(tmp_path, "b,a", [",".join(row.split(",")[1::-1]) for row in ROWS])
    assert list(before.values()) == list(turned.values())


def test_a_row_moves_by_chance_when_two_columns_swap_their_values() -> None:
    a, b = number_column("a", np.arange(1000.0)), number_column("b", np.arange(1000.0)[::-1])
    swapped = [NumberColumn("a", b.values), NumberColumn("b", a.values)]
    assert (row_hashes([a, b], 1000) != row_hashes(swapped, 1000)).mean() > 0.99


def test_equal_rows_are_on_one_side_when_a_table_repeats_them() -> None:
    column = number_column("a", np.repeat(np.arange(50.0), 20))
    test = split(row_hashes([column], 1000), 0.5).test.reshape(50, 20)
    assert (test.all(axis=1) | ~test.any(axis=1)).all()


def test_the_hash_is_this_number_when_any_version_computes_it() -> None:
    """Literal values: a change here would move rows of every table that people have."""
    columns: list[Column] = [
        number_column("amount", np.array([1.5, np.nan, -0.0])),
        TextColumn("word", np.array([0, -1, 1], dtype=np.int32), ["é", "x"]),
    ]
    assert row_hashes(columns, 3).tolist() == HASHES
    assert row_hashes([number_column("amount", np.array([0.0]))], 1) == row_hashes(
        [number_column("amount", np.array([-0.0]))], 1
    )


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_the_shares_are_met_when_rows_are_many(share: float) -> None:
    chosen = split(row_hashes([number_column("a", np.arange(200_000.0))], 200_000), share)
    assert chosen.test.mean() == pytest.approx(share, abs=0.005)
    assert chosen.validation[~chosen.test].mean() == pytest.approx(VALIDATION_SHARE, abs=0.005)
    assert not (chosen.test & chosen.validation).any()


def mask(*rows: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.isin(np.arange(12), rows)


APART = np.arange(12, dtype=np.uint64)
SIDES = Split(test=mask(0, 1, 2, 3), validation=mask(4, 5, 6))


def test_a_side_is_refused_when_it_has_no_row() -> None:
    with pytest.raises(DataError, match="too few rows") as caught:
        check_split(Split(test=mask(), validation=mask(4, 5)), APART, None, [])
    assert caught.value.id == "DATA-14"
    assert check_split(SIDES, APART, None, []) == []


@pytest.mark.parametrize("lacking", ["test", "validation", "training"])
def test_the_class_is_named_when_a_side_lacks_it(lacking: str) -> None:
    rows = {"test": mask(0, 1, 2, 3), "validation": mask(4, 5, 6), "training": mask(7, 8, 9, 10, 11)}[lacking]
    codes = np.where(rows, 0, np.arange(12) % 2)
    with pytest.raises(DataError) as caught:
        check_split(SIDES, APART, codes, ["good", "bad"])
    assert caught.value.id == "DATA-14"
    assert f"The {lacking} set has no row of class 'bad'" in caught.value.why


def test_validation_rows_may_lack_a_class_when_there_are_three() -> None:
    codes = np.array([0, 1, 2, 0, 0, 1, 0, 0, 1, 2, 2, 1])
    assert check_split(SIDES, APART, codes, ["a", "b", "c"]) == []


def test_a_rare_class_is_reported_when_no_test_row_has_it_and_there_are_three() -> None:
    codes = np.array([0, 1, 0, 1, 2, 1, 0, 0, 1, 2, 0, 1])
    remarks = check_split(SIDES, APART, codes, ["a", "b", "c"])
    assert remarks == [
        "None of the 2 rows of class 'c' is in the test set: the class is trained on, but not evaluated."
    ]
    with pytest.raises(DataError, match="DATA-14"):
        check_split(SIDES, APART, np.where(mask(0, 1, 4), 2, codes % 2), ["a", "b", "c"])


def test_equal_rows_are_named_as_the_cause_when_a_side_is_empty_for_them() -> None:
    with pytest.raises(DataError) as caught:
        check_split(Split(test=mask(), validation=mask(4, 5)), APART // np.uint64(5), None, [])
    assert "only 3 of 12 rows are distinct" in caught.value.why
