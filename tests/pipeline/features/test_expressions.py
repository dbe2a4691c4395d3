"""Derived features mean what arithmetic means, and a wrong line says what is wrong with it."""

import numpy as np
import pytest

from pipeline.core.problems import DataError
from pipeline.features.expression_parser import MAX_TOKENS
from pipeline.features.expressions import BUILT_IN, built_in, parse, parse_all
from pipeline.features.graph import derived_graph
from pipeline.onnx.session import Graph, RawRows

COLUMNS = ["a", "b", "odd-name (x)", "Größe"]
ROWS = np.array(
    [
        [1.0, 2.0, 3.0, 4.0],
        [-1.5, 0.0, 10.0, 0.25],
        [np.nan, 1.0, 2.0, 9.0],
        [np.inf, 1.0, -2.0, -1.0],
        [3e30, 1e-30, 1e38, 0.0],
    ],
    dtype=np.float32,
)


def evaluate(text: str) -> list[float | None]:
    """Return the feature's value in each of ROWS, None where missing."""
    graph = derived_graph(len(COLUMNS), {name: i for i, name in enumerate(COLUMNS)}, [parse(f"f = {text}")])
    answers = Graph(graph).run(RawRows(ROWS, np.empty((len(ROWS), 0), dtype=object)))[:, 0]
    return [None if np.isnan(value) else float(value) for value in answers]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b * 2", [5.0, -1.5, None, None, 3e30]),
        ("(a + b) * 2", [6.0, -3.0, None, None, 6e30]),
        ("a - b - 1", [-2.0, -2.5, None, None, 3e30]),
        ("8 / a / 2", [4.0, -8 / 3, None, None, 4 / 3e30]),
        ("-a - -b", [1.0, 1.5, None, None, -3e30]),
        ("a / b", [0.5, None, None, None, None]),
        ("`odd-name (x)` * 1e1", [30.0, 100.0, 20.0, -20.0, None]),
        ("sqrt(Größe)", [2.0, 0.5, 3.0, None, 0.0]),
        ("abs(a)", [1.0, 1.5, None, None, 3e30]),
        ("log1p(Größe)", [np.log1p(4), np.log1p(0.25), np.log1p(9), None, 0.0]),
        ("min(a, b)", [1.0, -1.5, None, None, 1e-30]),
        ("max(a, `Größe` - 1)", [3.0, -0.75, None, None, 3e30]),
        ("a * a", [1.0, 2.25, None, None, None]),
    ],
)
def test_the_value_is_that_of_arithmetic_when_it_is_finite(text: str, expected: list[float | None]) -> None:
    values = evaluate(text)
    assert [value is None for value in values] == [value is None for value in expected]
    for value, expected_value in zip(values, expected, strict=True):
        assert value is None or value == pytest.approx(expected_value, rel=1e-6)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("a + b", "does not have the form"),
        ("= a", "does not have the form"),
        ("x =", "ends too early"),
        ("x = a +", "ends too early"),
        ("x = a b", "'`b`' is not expected"),
        ("x = (a", "')' is missing"),
        ("x = a)", "')' is not expected"),
        ("x = * a", "'*' is not expected"),
        ("x = exp(a)", "Unknown function 'exp'"),
        ("x = min(a)", "takes 2 values, not 1"),
        ("x = a ** 2", "'*' is not expected"),
        ("x = a % 2", "Unexpected characters"),
        ("x = a.__class__", "Unexpected characters"),
        ("x = `a", "Unexpected characters"),
        ("x = 1 + 2", "no column"),
        ("x = " + "-" * 100 + "a", "nested"),
        ("x = a" + " + a" * MAX_TOKENS, "longer than"),
    ],
)
def test_the_mistake_is_named_when_a_line_cannot_be_read(line: str, why: str) -> None:
    with pytest.raises(DataError) as caught:
        parse(line)
    assert caught.value.id == "DATA-20"
    assert why in caught.value.why


def test_a_long_sum_is_compiled_when_it_is_as_long_as_allowed() -> None:
    n_terms = MAX_TOKENS // 2
    assert evaluate("+".join(["b"] * n_terms))[0] == 2.0 * n_terms


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("x = a + nope", "no such column"),
        ("x = word * 2", "not numeric"),
        ("x = a\ny = x * 2", "cannot use another one"),
    ],
)
def test_the_column_is_named_when_a_feature_cannot_use_it(line: str, why: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_all(line.split("\n"), ["a", "b"], ["a", "b", "word"])
    assert caught.value.id == "DATA-21"
    assert why in caught.value.why


@pytest.mark.parametrize("lines", [["a = b * 2"], ["x = a", "", "x = b"]])
def test_a_name_is_refused_when_it_is_taken(lines: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        parse_all(lines, ["a", "b"], ["a", "b"])
    assert caught.value.id == "DATA-22"


def test_the_built_in_features_apply_when_the_table_has_all_their_columns() -> None:
    columns = {column for line in BUILT_IN for column in parse(line).columns}
    assert [one.name for one in built_in(columns)][:2] == ["TotalLateDays", "IncomeExpenseDifference"]
    assert built_in(columns - {"DebtRatio"}) == []
