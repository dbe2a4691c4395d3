"""The text of inputs becomes the record for the model."""

import math
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.frontend.form import build_form, cell_text, parse_value, value_warning
from app.web.formats import input_text
from pipeline.core.cells import Reading
from pipeline.core.manifest import Feature, Manifest, Scalar

AGE = Feature(name="age", kind="numeric", nullable=False, integer=True, min=21, max=99, low=24, high=87, median=52)
LIMITS = {"min": -0.0446416365, "low": -0.0446416365, "max": 0.0506801187, "high": 0.0506801187}
DOSE = Feature(name="dose", kind="numeric", nullable=False, **LIMITS)
MEMBER = Feature(name="member", kind="boolean", nullable=True)
CITY = Feature(name="city", kind="categorical", nullable=True, categories=["Paris", " Rome"])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("45", 45),
        (" 4.5 ", 4.5),
        ("1e3", 1000),
        ("−3", -3),
        ("1 234", 1234),
        (".5", 0.5),
        ("", None),
        ("  ", None),
        ("1,234.5", 1234.5),
        ("1 %", 1),
        ("nan", None),
        ("n/a", None),
    ],
)
def test_a_number_is_read_when_it_is_one(text: str, value: float | None) -> None:
    assert parse_value(AGE, text) == (value, "")


@pytest.mark.parametrize("text", ["abc", "1,5", "1_5", "inf", "0x10", "1e999", "1e39", "--1", "$1"])
def test_text_is_refused_with_a_reason_when_it_is_not_a_number(text: str) -> None:
    value, error = parse_value(AGE, text)
    assert value is None
    assert error.endswith(".")


def test_a_comma_is_explained_when_it_stands_for_a_point() -> None:
    assert "decimal point" in parse_value(AGE, "1,5")[1]


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_any_value_comes_back_when_the_form_has_shown_it(value: float) -> None:
    parsed, error = parse_value(AGE, input_text(value))
    assert error == ""
    assert isinstance(parsed, int | float)
    assert math.isclose(parsed, value, rel_tol=1e-12, abs_tol=0)


def test_yes_and_no_are_read_when_a_boolean_is_asked() -> None:
    assert [parse_value(MEMBER, text) for text in ("true", "No", "1", "")] == [
        (True, ""),
        (False, ""),
        (True, ""),
        (None, ""),
    ]
    assert parse_value(MEMBER, "perhaps")[0] is None
    assert parse_value(MEMBER, "perhaps")[1]


def test_a_category_keeps_its_spaces_when_it_is_known_with_them() -> None:
    assert parse_value(CITY, " Rome") == (" Rome", "")
    assert parse_value(CITY, " Paris ") == ("Paris", "")


@pytest.mark.parametrize(
    ("feature", "value", "word"),
    [
        (AGE, 45, ""),
        (AGE, 22, "Unusual"),
        (AGE, 20, "Below everything"),
        (AGE, 120, "Above everything"),
        (AGE, 45.5, "whole number"),
        (DOSE, 0.05068012, ""),
        (DOSE, -0.044641637, ""),
        (DOSE, 0.0506802, "Above everything"),
        (AGE, None, "Never missing"),
        (CITY, None, ""),
        (CITY, "Oslo", "Not in the training data"),
        (MEMBER, True, ""),
    ],
)
def test_a_warning_is_given_when_the_model_has_hardly_seen_the_value(
    feature: Feature, value: Scalar, word: str
) -> None:
    warning = value_warning(feature, value)
    assert (word in warning) if word else warning == ""


PRICE = Feature(name="price", kind="numeric", nullable=True, reading=Reading(decimal=",", affixes=("€",)))
DAY = Feature(name="day", kind="date", nullable=True, reading=Reading(date_order="dmy"))


@pytest.mark.parametrize(
    ("feature", "text", "value"),
    [
        (PRICE, "1.234,5", 1234.5),
        (PRICE, "7,140 €", 7.14),
        (PRICE, "1.234", 1234),
        (DAY, "31.01.2020", "2020-01-31T00:00:00"),
        (DAY, "2020-01-31 14:05", "2020-01-31T14:05:00"),
    ],
)
def test_text_is_read_as_the_cells_of_the_table_when_they_are_written_in_another_way(
    feature: Feature, text: str, value: object
) -> None:
    assert parse_value(feature, text) == (value, "")
    assert parse_value(feature, cell_text(feature, parse_value(feature, text)[0])) == (value, "")


def test_the_mark_is_named_when_a_number_does_not_fit_the_table() -> None:
    assert "decimal comma, such as 1234,5" in parse_value(PRICE, "1234.5")[1]
    assert "not a date such as 2020-01-31" in parse_value(DAY, "soon")[1]


REVIEW = Feature(name="review", kind="text", nullable=False, words=["clean", "loud"])


def test_a_text_is_taken_as_its_words_when_it_is_typed() -> None:
    assert parse_value(REVIEW, " Very CLEAN,\r\nbut loud! ") == ("very clean but loud", "")
    assert parse_value(REVIEW, "...") == (None, "")
    assert value_warning(REVIEW, "very clean") == ""
    assert value_warning(REVIEW, "très propre") == "No word of it was among those that the model looks for."


def test_a_text_has_several_lines_to_write_in_and_keeps_what_was_typed_when_it_is_shown() -> None:
    manifest = SimpleNamespace(features=[REVIEW])
    (field,) = build_form(cast("Manifest", manifest), {"review": "Clean & quiet"}).fields
    assert (field.widget, field.text) == ("textarea", "Clean & quiet")
    assert field.hint == "text, in which the model looks for 2 words"
