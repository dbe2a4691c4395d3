"""The target is found or asked for, and its task follows from its values."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.core.problems import DataError
from pipeline.features.target import Target, infer_name, resolve
from pipeline.ingest import tables
from pipeline.ingest.columns import Table


@pytest.mark.parametrize(
    ("names", "target"),
    [
        (["a", "SeriousDlqin2yrs"], "SeriousDlqin2yrs"),
        (["a", "TARGET", "b"], "TARGET"),
        (["Class", "a"], "Class"),
    ],
)
def test_the_target_is_inferred_when_one_column_is_called_so(names: list[str], target: str) -> None:
    assert infer_name(names, None) == target


@pytest.mark.parametrize("names", [["a", "b"], ["target", "label", "a"]])
def test_the_columns_are_listed_when_the_target_is_not_clear(names: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        infer_name(names, None)
    assert caught.value.id == "DATA-10"
    assert ", ".join(names) in caught.value.why


def test_the_columns_are_listed_when_the_wanted_target_is_none_of_them() -> None:
    assert infer_name(["a", "target"], "a") == "a"
    with pytest.raises(DataError) as caught:
        infer_name(["a", "b"], "c")
    assert caught.value.id == "DATA-11"
    assert "a, b" in caught.value.why


def table(folder: Path, values: list[str]) -> Table:
    path = folder / "t.csv"
    path.write_text("x,t\n" + "".join(f"{i},{value}\n" for i, value in enumerate(values)), "utf-8")
    return tables.read([path])


@pytest.mark.parametrize(
    ("values", "task", "classes", "kind"),
    [
        (["0", "1", "0"], "binary", ["0", "1"], "integer"),
        (["2", "10", "2"], "binary", ["2", "10"], "integer"),
        (["True", "False"], "binary", ["false", "true"], "boolean"),
        (["yes", "no", ""], "binary", ["no", "yes"], "string"),
        (["0.5", "1.5"], "binary", ["0.5", "1.5"], "number"),
        (["b", "a", "c", "a"], "multiclass", ["a", "b", "c"], "string"),
        (["0", "1", "2"] * 10, "multiclass", ["0", "1", "2"], "integer"),
        (["0", "1", "2"], "regression", [], "number"),
        ([str(i) for i in range(21)] * 10, "regression", [], "number"),
        (["0.1", "0.2", "0.3"] * 10, "regression", [], "number"),
    ],
)
def test_the_task_follows_from_the_values_when_none_is_given(
    tmp_path: Path, values: list[str], task: str, classes: list[str], kind: str
) -> None:
    target = resolve(table(tmp_path, values), "t", "auto")
    assert (target.task, target.classes, target.class_type) == (task, classes, kind)


def labels(target: Target) -> list[str]:
    return [target.classes[int(code)] for code in target.values]


def test_each_row_has_its_class_when_some_have_none(tmp_path: Path) -> None:
    target = resolve(table(tmp_path, ["yes", "", "no", "yes"]), "t", "auto")
    assert target.present.tolist() == [True, False, True, True]
    assert labels(target) == ["yes", "no", "yes"]


def test_the_given_task_wins_when_it_fits(tmp_path: Path) -> None:
    assert resolve(table(tmp_path, ["100000000", "200000000"]), "t", "regression").task == "regression"
    numbers = table(tmp_path, ["0", "1", "1"])
    assert resolve(numbers, "t", "regression").values.dtype == np.float64
    assert resolve(numbers, "t", "multiclass").classes == ["0", "1"]
    assert labels(resolve(table(tmp_path, ["1", "3", "2"]), "t", "multiclass")) == ["1", "3", "2"]


@pytest.mark.parametrize("values", [["1", "1"], ["a", "a", ""], ["", ""]])
def test_a_target_is_refused_when_it_does_not_vary(tmp_path: Path, values: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        resolve(table(tmp_path, values), "t", "auto")
    assert caught.value.id == "DATA-12"


@pytest.mark.parametrize(
    ("values", "task", "why"),
    [
        (["a", "b"], "regression", "needs numbers"),
        (["1", "2", "3"], "binary", "it has 3"),
        ([f"word {i}" for i in range(101)] * 3, "auto", "At most 100"),
        (["100000001", "100000002"] * 9, "auto", "not distinguished"),
        (["100000001", "100000002", "300000000"] * 9, "auto", "not distinguished"),
        (["100000001", "100000002"] * 9, "regression", "not distinguished"),
        ([f"2024-01-{i:02d}" for i in range(1, 29)], "auto", "dates"),
    ],
)
def test_a_target_is_refused_when_it_does_not_fit_the_task(
    tmp_path: Path, values: list[str], task: str, why: str
) -> None:
    with pytest.raises(DataError) as caught:
        resolve(table(tmp_path, values), "t", task)  # type: ignore[arg-type]  # one of the four words
    assert caught.value.id == "DATA-13"
    assert why in caught.value.why
