"""Derived features: `Name = expression` over the columns of the table, compiled into nodes of the preparation graph.

A value is missing where a column in it is missing, or where the result is not a finite number.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from pipeline.features.expression_parser import Call, Name, Number, Tree, parse_expression
from pipeline.features.problems import ExpressionError, FeatureNameTakenError, UnusableOperandError

# Used if nothing is declared and the table has all the columns in them.
_LATE: Final = (
    "`NumberOfTime30-59DaysPastDueNotWorse` + `NumberOfTime60-89DaysPastDueNotWorse` + NumberOfTimes90DaysLate"
)
BUILT_IN: Final = (
    f"TotalLateDays = {_LATE}",
    "IncomeExpenseDifference = MonthlyIncome * (1 - DebtRatio)",
    "IncomePerPerson = MonthlyIncome / (NumberOfDependents + 1)",
    "MonthlyExpenses = MonthlyIncome * DebtRatio",
)


@dataclass(frozen=True)
class Derived:
    """A declared feature. `columns` are the distinct columns in it, in order of appearance."""

    name: str
    text: str
    tree: Tree
    columns: tuple[str, ...]


class GraphBuilder(Protocol):
    """The part of a graph that compiling needs: all tensors here are float64 [n, 1] or boolean [n, 1]."""

    def node(self, kind: str, *inputs: str) -> str:
        """Add a node and return the name of its output."""

    def constant(self, value: float) -> str:
        """Return the name of a float64 constant."""


def parse(declaration: str) -> Derived:
    """Return the feature that a line `Name = expression` declares. Raises DataError DATA-20 for any other line."""
    name, equals, text = declaration.partition("=")
    name = name.strip().strip("`").strip()
    if not equals or not name:
        raise ExpressionError(declaration, "It does not have the form “Name = expression”.")
    tree = parse_expression(declaration, text)
    columns = tuple(dict.fromkeys(_columns(tree)))
    if not columns:
        raise ExpressionError(declaration, "It uses no column.")
    return Derived(name, f"{name} = {' '.join(text.split())}", tree, columns)


def parse_all(declarations: Iterable[str], numeric: Iterable[str], taken: Iterable[str]) -> list[Derived]:
    """Return the declared features, over the columns `numeric`; blank lines are skipped.

    Raises DataError DATA-20 for a line that cannot be parsed, DATA-21 for a column that is unknown or not numeric, and
    DATA-22 for a name that is in `taken` or declared twice.
    """
    known, names = set(numeric), set(taken)
    features = [parse(line) for line in declarations if line.strip()]
    declared = {feature.name for feature in features}
    for feature in features:
        unknown = [column for column in feature.columns if column not in known]
        if unknown:
            why = "The table has no such column"
            if unknown[0] in declared:
                why = "A derived feature cannot use another one"
            elif unknown[0] in names:
                why = "It is the target, left out, or not numeric"
            raise UnusableOperandError(feature.name, unknown[0], why, known)
        if feature.name in names:
            raise FeatureNameTakenError(feature.name)
        names.add(feature.name)
    return features


def built_in(numeric: Iterable[str]) -> list[Derived]:
    """Return the features of the credit table, if the table has all columns that they need; otherwise none."""
    known = set(numeric)
    features = [parse(line) for line in BUILT_IN]
    return features if all(known.issuperset(feature.columns) for feature in features) else []


def compile_tree(tree: Tree, columns: dict[str, str], graph: GraphBuilder) -> str:
    """Add the nodes of an expression and return the name of the tensor with its value.

    `columns` names the float64 tensor of each column. The value may be NaN or infinite; the caller handles that.
    """
    if isinstance(tree, Number):
        return graph.constant(tree.value)
    if isinstance(tree, Name):
        return columns[tree.column]
    inputs = [compile_tree(argument, columns, graph) for argument in tree.arguments]
    if tree.operation in ("min", "max"):
        # Min and Max do not define the result for NaN; a sum does.
        compared = graph.node("Less" if tree.operation == "min" else "Greater", *inputs)
        missing = graph.node("IsNaN", graph.node("Add", *inputs))
        return graph.node("Where", missing, graph.constant(float("nan")), graph.node("Where", compared, *inputs))
    if tree.operation == "log1p":
        return graph.node("Log", graph.node("Add", inputs[0], graph.constant(1.0)))
    return graph.node(_NODES[tree.operation], *inputs)


_NODES: Final = {"+": "Add", "-": "Sub", "*": "Mul", "/": "Div", "negate": "Neg", "abs": "Abs", "sqrt": "Sqrt"}


def _columns(tree: Tree) -> Iterable[str]:
    if isinstance(tree, Name):
        yield tree.column
    elif isinstance(tree, Call):
        for argument in tree.arguments:
            yield from _columns(argument)
