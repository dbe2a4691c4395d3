"""A feature that is the target in other words is named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.features.leakage import target_leakage
from pipeline.features.selection import select
from pipeline.features.target import resolve
from pipeline.ingest import tables
from pipeline.ingest.columns import Table


def read(folder: Path, header: str, rows: list[str]) -> Table:
    path = folder / "t.csv"
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return tables.read([path])


def everything(table: Table) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.ones(table.n_rows, dtype=np.bool_)


@pytest.mark.parametrize(
    ("column", "leaks"),
    [
        pytest.param(lambda i: i % 3, True, id="copy"),
        pytest.param(lambda i: "abc"[i % 3], True, id="in words"),
        pytest.param(lambda i: ["", 1, 2][i % 3], True, id="missing for one class"),
        pytest.param(lambda i: i % 6, False, id="two values for each class"),
        pytest.param(lambda i: i % 3 if i != 30 else 1, False, id="right but once"),
        pytest.param(lambda i: i % 3 == 0, False, id="one class only"),
    ],
)
def test_a_column_is_reported_when_it_is_the_class_in_other_words(
    tmp_path: Path, column: Callable[[int], object], leaks: bool
) -> None:
    table = read(tmp_path, "x,t", [f"{column(i)},{['yes', 'no', 'maybe'][i % 3]}" for i in range(60)])
    features = select(table, "t", [], everything(table)).features
    warnings = target_leakage(features, resolve(table, "t", "auto"), everything(table))
    assert [warning.startswith("Column 'x' determines 't' exactly") for warning in warnings] == [True] * leaks


@pytest.mark.parametrize(
    ("column", "leaks"),
    [
        pytest.param(lambda i: 100 - 2.5 * i * i if i % 5 else "", True, id="another unit, with gaps"),
        pytest.param(lambda i: i, False, id="a curve"),
        pytest.param(lambda i: "ab"[i % 2], False, id="words"),
    ],
)
def test_a_column_is_reported_when_it_is_the_number_in_another_unit(
    tmp_path: Path, column: Callable[[int], object], leaks: bool
) -> None:
    table = read(tmp_path, "x,t", [f"{column(i)},{i * i + 0.5}" for i in range(100)])
    features = select(table, "t", [], everything(table)).features
    assert len(target_leakage(features, resolve(table, "t", "auto"), everything(table))) == leaks
