"""Names and values as people read them."""

import pytest

from app.frontend.labels import class_label, figure, percent, typed, words
from pipeline.core.bundle import Scalar


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MonthlyIncome", "Monthly income"),
        ("NumberOfTime30-59DaysPastDueNotWorse", "Number of time 30-59 days past due not worse"),
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
    assert words(name) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, ""), (True, "true"), (45, "45"), (45.0, "45"), (0.7661266, "0.7661266"), (1e-7, "1e-07"), ("a b", "a b")],
)
def test_a_value_reads_back_as_itself_when_it_is_put_into_the_form(value: Scalar, expected: str) -> None:
    assert typed(value) == expected


def test_a_probability_is_never_rounded_to_certainty_when_it_is_not_certain() -> None:
    assert [percent(share) for share in (0.0, 0.0001, 0.123, 0.4, 0.99999, 1.0)] == [
        "0\u00a0%",
        "under 0.1\u00a0%",
        "12.3\u00a0%",
        "40\u00a0%",
        "over 99.9\u00a0%",
        "100\u00a0%",
    ]


def test_figures_stay_short_when_numbers_are_long() -> None:
    values = (5400.0, 1234.567, 0.15423, -2.98765, 1e9, 3e-6)
    assert [figure(value) for value in values] == ["5,400", "1,234.6", "0.1542", "−2.988", "1,000,000,000", "3e−06"]


def test_the_label_of_the_table_is_shown_when_json_writes_it_otherwise() -> None:
    assert class_label(1, ["0.0", "1.0"]) == "1.0"
    assert class_label(True, ["False", "True"]) == "True"
    assert class_label(True, ["no", "yes"]) == "True"
    assert class_label("b", ["a", "b"]) == "b"
