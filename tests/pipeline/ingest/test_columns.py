"""Inference of a text column's type."""

import numpy as np
import pytest

from pipeline.ingest.columns import Column, NumberColumn, TextColumn, UnusableColumn, infer_type


def column_of(labels: list[str], decimal: str = ".") -> Column:
    """Return the column that is inferred from a text column with each of the labels once."""
    return infer_type(TextColumn("a", np.arange(len(labels), dtype=np.int32), labels), [decimal], lambda _warning: None)


@pytest.mark.parametrize(
    ("text", "is_date"),
    [
        ("2024-01-05", True),
        ("2024-01-05T10:00:00Z", True),
        ("12/1/2010 8:26", True),
        ("1/5/24", True),
        ("05-Jan-2024", True),
        ("January 5, 2024", True),
        ("5 Sept 24 23:59", True),
        ("1.2.20", False),
        ("May 5", False),
        ("10-12", False),
    ],
)
def test_dates_are_known_when_they_are_written_in_other_ways(text: str, is_date: bool) -> None:
    assert isinstance(column_of([text]), UnusableColumn if is_date else TextColumn)


@pytest.mark.parametrize(
    ("decimal", "labels", "expected"),
    [
        (",", ["0,123", "1,234"], [0.123, 1.234]),
        (",", ["12,5 %", "7 %", "-0,5%"], [12.5, 7.0, -0.5]),
        (",", ["1.234,50", "999,90", "2.000.000,00"], [1234.5, 999.9, 2e6]),
        (",", ["1.234", "999", "1.000.000"], [1234.0, 999.0, 1e6]),
        (".", ["1,234.50", "999.90", "5%", "-2,000,000"], [1234.5, 999.9, 5.0, -2e6]),
    ],
)
def test_numbers_keep_their_size_when_they_have_marks(decimal: str, labels: list[str], expected: list[float]) -> None:
    column = column_of(labels, decimal)
    assert isinstance(column, NumberColumn)
    assert column.values.tolist() == pytest.approx(expected)


def test_nothing_is_guessed_when_files_with_other_decimal_marks_hold_the_text() -> None:
    column = TextColumn("a", np.arange(2, dtype=np.int32), ["1,234", "5.678"])
    assert isinstance(infer_type(column, [".", ","], lambda _warning: None), TextColumn)
