"""Names and values as people read them."""

import pytest

from app.frontend.labels import class_label, column_label


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MonthlyIncome", "Monthly income"),
        ("NumberOfTime30-59DaysPastDueNotWorse", "Times 30-59 days past due"),
        ("NumberRealEstateLoansOrLines", "Number of real estate loans or lines"),
        ("number_a", "Number a"),
        ("NumberOfTimes90DaysLate", "Times 90 days late"),
        ("NumberOfDependents", "Number of dependents"),
        ("worst_area", "Worst area"),
        ("sepal length (cm)", "Sepal length (cm)"),
        ("od280/od315_of_diluted_wines", "Od280/od315 of diluted wines"),
        ("HTTPStatus", "HTTP status"),
        ("größe", "Größe"),
        ("1 2", "1 2"),
        ("___", "___"),
    ],
)
def test_a_name_becomes_words_when_it_is_an_identifier(name: str, expected: str) -> None:
    assert column_label(name) == expected


def test_the_label_of_the_table_is_shown_when_json_writes_it_otherwise() -> None:
    assert class_label(1, ["0.0", "1.0"]) == "1.0"
    assert class_label(True, ["False", "True"]) == "True"
    assert class_label(True, ["no", "yes"]) == "True"
    assert class_label("b", ["a", "b"]) == "b"
