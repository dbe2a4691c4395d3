"""The target is found or asked for, and its task follows from its values."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.core.problems import DataError
from pipeline.features.target import Target, guess_warning, infer_name, resolve
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
    return tables.read([path], target="t")


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
        (["9007199254740993", "9007199254740995"] * 9, "binary", ["9007199254740993", "9007199254740995"], "string"),
        (["100000001", "100000002"] * 9, "binary", ["100000001", "100000002"], "integer"),
        (["100000001", "100000002", "300000000"] * 9, "multiclass", ["100000001", "100000002", "300000000"], "integer"),
        (["1", "2", "3", "4", "5"] * 10, "multiclass", ["1", "2", "3", "4", "5"], "integer"),  # ratings
        (["2019", "2020", "2021"] * 10, "regression", [], "number"),  # years
        (["750", "2250", "2000"] * 10, "regression", [], "number"),  # prices in steps of 250
        (["199", "249", "299", "450"] * 10, "regression", [], "number"),
        (["1", "7", "13000"] * 10, "regression", [], "number"),
        (["0", "5", "10"] * 10, "multiclass", ["0", "5", "10"], "integer"),
        (["10234", "20455", "99123"] * 10, "multiclass", ["10234", "20455", "99123"], "integer"),
        (["$750.00", "$2251.00", "$2002.00"] * 10, "regression", [], "number"),
        (["01", "02", "10"] * 10, "multiclass", ["01", "02", "10"], "string"),
        (["yes", "Yes", "YES ", "no", "no", "No"] * 3, "binary", ["no", "yes"], "string"),
        (["a", "A", "b"] * 9, "multiclass", ["A", "a", "b"], "string"),  # one letter may be a code
        (["None", "Apnea", "Insomnia"] * 9, "multiclass", ["Apnea", "Insomnia", "None"], "string"),
        (["-", "+"] * 9, "binary", ["+", "-"], "string"),
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


def test_spellings_of_a_class_are_said_when_they_are_taken_as_one(tmp_path: Path) -> None:
    target = resolve(table(tmp_path, ["yes", "Yes", "YES ", "yes", "no", "no"] * 3), "t", "auto")
    assert target.remarks == ["spellings taken as one class: 'yes' = 'Yes' = 'YES'"]
    assert labels(target)[:5] == ["yes", "yes", "yes", "yes", "no"]


def test_classes_are_in_the_order_of_the_alphabet_when_their_usual_spellings_differ_in_case(tmp_path: Path) -> None:
    target = resolve(table(tmp_path, [*["Yes", "no", "yes", "No"] * 5, "no", "Yes"]), "t", "auto")
    assert [label.lower() for label in target.classes] == ["no", "yes"]


def test_letters_of_two_cases_are_one_class_when_they_are_a_usual_pair(tmp_path: Path) -> None:
    assert len(resolve(table(tmp_path, ["Y", "y", "N", "n"] * 5), "t", "auto").classes) == 2
    assert len(resolve(table(tmp_path, ["m", "M", "h", "d"] * 5), "t", "auto").classes) == 4


def test_large_numbers_keep_every_digit_when_they_are_predicted(tmp_path: Path) -> None:
    target = resolve(table(tmp_path, [str(1300000067 + i) for i in range(30)]), "t", "auto")
    assert target.task == "regression"
    assert target.values[:3].tolist() == [1300000067, 1300000068, 1300000069]


def test_a_target_is_found_when_its_name_is_given_in_another_case() -> None:
    assert infer_name(["a", "Loan Status"], " loan status") == "Loan Status"


def test_a_guess_is_called_so_when_the_name_often_means_something_else() -> None:
    assert guess_warning("target", ["a", "target"]) == ""
    assert guess_warning("class", ["survived", "class"]).startswith("The target 'class' was guessed from its name.")


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
