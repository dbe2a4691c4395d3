"""A feature that is the target in other words is named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.features.leakage import find_leakage, warnings
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
        pytest.param(lambda i: ["u", 1, 2][i % 3], True, id="words and numbers"),
        pytest.param(lambda i: i % 6, True, id="two values for each class"),
        pytest.param(lambda i: i % 3 if i != 30 else 1, False, id="right but once"),
        pytest.param(lambda i: i % 3 == 0, False, id="one class only"),
    ],
)
def test_a_column_is_reported_when_it_is_the_class_in_other_words(
    tmp_path: Path, column: Callable[[int], object], leaks: bool
) -> None:
    table = read(tmp_path, "x,t", [f"{column(i)},{['yes', 'no', 'maybe'][i % 3]}" for i in range(60)])
    features = select(table, "t", [], everything(table)).features
    found = find_leakage(features, resolve(table, "t", "auto"), everything(table))
    assert [text.startswith("Column 'x' determines 't' exactly") for text in warnings(found, "t")] == [True] * leaks


@pytest.mark.parametrize(
    ("column", "leaks"),
    [
        pytest.param(lambda i: 100 - 2.5 * i * i if i % 5 else "", True, id="another unit, with gaps"),
        pytest.param(lambda i: (i - 49.5) ** 2, False, id="a curve with a turn"),
        pytest.param(lambda i: "ab"[i % 2], False, id="words"),
    ],
)
def test_a_column_is_reported_when_it_is_the_number_in_another_unit(
    tmp_path: Path, column: Callable[[int], object], leaks: bool
) -> None:
    table = read(tmp_path, "x,t", [f"{column(i)},{i * i + 0.5}" for i in range(100)])
    features = select(table, "t", [], everything(table)).features
    assert len(find_leakage(features, resolve(table, "t", "auto"), everything(table))) == leaks


def found_in(
    folder: Path, cells: Callable[[int], object], target: Callable[[int], object], n: int = 200
) -> dict[str, str]:
    """Return what is found in a table with the column `x` of `cells` and the target `t`."""
    table = read(folder, "x,t", [f"{cells(i)},{target(i)}" for i in range(n)])
    features = select(table, "t", [], everything(table)).features
    return find_leakage(features, resolve(table, "t", "auto"), everything(table))


CLASS = np.random.default_rng(1).integers(0, 2, 1000)
NOISE = np.random.default_rng(2).normal(size=1000)


def yes_or_no(i: int) -> str:
    return "yes" if CLASS[i] else "no"


@pytest.mark.parametrize(
    ("cells", "how"),
    [
        pytest.param(lambda i: f"{yes_or_no(i)}-{i % 20}", "determines {} exactly", id="a status of which each value has one class"),
        pytest.param(lambda i: 10 * CLASS[i] + i % 5, "determines {} exactly", id="a code that is a number"),
        pytest.param(lambda i: "" if CLASS[i] else i % 9 + NOISE[i], "is missing exactly where {} is 'yes'", id="missing for one class"),
        pytest.param(
            lambda i: (5 + abs(NOISE[i])) * (1 if i % 2 else -1) if CLASS[i] else NOISE[i],
            "alone separates the classes of {} nearly perfectly",
            id="two ranges",
        ),
        pytest.param(lambda i: CLASS[i] * 9 + NOISE[i], "alone separates the classes of {} nearly perfectly", id="a score"),
        pytest.param(
            lambda i: f"Case {i} of {'ab'[i % 2]} was {'approved' if CLASS[i] else 'sent back'} by {'xyz'[i % 3]}",
            "has the word 'approved', which alone tells {} in nearly every row",
            id="a word of a text",
        ),
        pytest.param(lambda i: f"{CLASS[i]}" if i else "2", "determines {} exactly", id="the class itself"),
    ],
)  # fmt: skip
def test_a_column_is_reported_with_how_it_gives_the_class_away_when(
    tmp_path: Path, cells: Callable[[int], object], how: str
) -> None:
    assert found_in(tmp_path, cells, yes_or_no) == {"x": how}


@pytest.mark.parametrize(
    "cells",
    [
        pytest.param(lambda i: CLASS[i] * 2 + NOISE[i], id="a good predictor"),
        pytest.param(lambda i: "" if i % 7 == 0 else NOISE[i], id="gaps"),
        pytest.param(lambda i: "abc"[i % 3], id="words"),
        pytest.param(lambda i: f"word{i % 80}", id="rare words"),
        pytest.param(lambda i: f"{CLASS[i]}" if i % 10 else "either", id="most of its values"),
        pytest.param(lambda i: int(i == 7), id="one row"),
        pytest.param(
            lambda i: f"Case {i} was {'good' if CLASS[i] and i % 9 else 'bad'}, {'xyz'[i % 3]}", id="a telling word"
        ),
        pytest.param(lambda i: f"2020-0{1 + i % 9}-{1 + i % 28:02}", id="dates"),
    ],
)
def test_nothing_is_reported_when_a_column_is(tmp_path: Path, cells: Callable[[int], object]) -> None:
    assert found_in(tmp_path, cells, yes_or_no) == {}


@pytest.mark.parametrize(
    ("cells", "leaks"),
    [
        pytest.param(lambda i: NOISE[i] * 100 + 0.01 * NOISE[i + 300], True, id="the number with a little noise"),
        pytest.param(lambda i: np.exp(NOISE[i]), True, id="a growing function of it"),
        pytest.param(lambda i: NOISE[i] + NOISE[i + 300], False, id="related to it"),
    ],
)
def test_a_column_is_reported_when_it_nearly_gives_the_number(
    tmp_path: Path, cells: Callable[[int], object], leaks: bool
) -> None:
    found = found_in(tmp_path, cells, lambda i: NOISE[i])
    assert found == ({"x": "alone gives {} nearly exactly"} if leaks else {})
