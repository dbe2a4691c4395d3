"""Derived features: `Name = expression` over the columns of the table, compiled into nodes of the preparation graph.

    expression := term (("+" | "-") term)*          term := factor (("*" | "/") factor)*
    factor     := "-" factor | number | column | "(" expression ")" | function "(" expression ["," expression] ")"

Functions are abs, sqrt, log1p of one value and min, max of two. A column whose name is not a plain word stands in
backticks. A value is missing where a column in it is missing, or where the result is no finite number.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from pipeline.features.problems import ExpressionError, FeatureNameTakenError, UnusableOperandError

FUNCTIONS: Final = {"abs": 1, "sqrt": 1, "log1p": 1, "min": 2, "max": 2}
MAX_TOKENS: Final = 300  # bounds how deep the tree gets, and with it the recursion
MAX_DEPTH: Final = 60

# Used where nothing is declared, each as soon as the table has all its columns.
_LATE: Final = (
    "`NumberOfTime30-59DaysPastDueNotWorse` + `NumberOfTime60-89DaysPastDueNotWorse` + NumberOfTimes90DaysLate"
)
BUILT_IN: Final = (
    f"TotalLateDays = {_LATE}",
    "IncomeExpenseDifference = MonthlyIncome * (1 - DebtRatio)",
    "IncomePerPerson = MonthlyIncome / (NumberOfDependents + 1)",
    "MonthlyExpenses = MonthlyIncome * DebtRatio",
)

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|`(?P<quoted>[^`]+)`|(?P<word>[^\W\d]\w*)|(?P<sign>[-+*/(),]))"
)


@dataclass(frozen=True)
class Number:
    """A constant."""

    value: float


@dataclass(frozen=True)
class Name:
    """The value of a column."""

    column: str


@dataclass(frozen=True)
class Call:
    """An operation: `+ - * /`, `negate`, or one of FUNCTIONS, on its arguments."""

    operation: str
    arguments: "tuple[Tree, ...]"


Tree = Number | Name | Call


@dataclass(frozen=True)
class Derived:
    """A declared feature. `columns` are those in it, each once, in order of appearance."""

    name: str
    text: str
    tree: Tree
    columns: tuple[str, ...]


class GraphBuilder(Protocol):
    """What compiling needs of the graph that is being built: all tensors here are float64 [n, 1] or boolean [n, 1]."""

    def node(self, kind: str, *inputs: str) -> str:
        """Add a node; the name of its output."""

    def constant(self, value: float) -> str:
        """The name of a float64 constant."""


def parse(declaration: str) -> Derived:
    """The feature that a line `Name = expression` declares. Raises DataError DATA-20 where it is not one."""
    name, equals, text = declaration.partition("=")
    name = name.strip().strip("`").strip()
    if not equals or not name:
        raise ExpressionError(declaration, "It does not have the form `Name = expression`.")
    tree = _Parser(declaration, text).whole()
    columns = tuple(dict.fromkeys(_columns(tree)))
    if not columns:
        raise ExpressionError(declaration, "It uses no column.")
    return Derived(name, f"{name} = {' '.join(text.split())}", tree, columns)


def parse_all(declarations: Iterable[str], numeric: Iterable[str], taken: Iterable[str]) -> list[Derived]:
    """The declared features, over the columns `numeric`; blank lines are skipped.

    Raises DataError DATA-20 for a line that cannot be read, DATA-21 for a column that is unknown or not a number, and
    DATA-22 for a name that is in `taken` or declared twice.
    """
    known, names = set(numeric), set(taken)
    found = [parse(line) for line in declarations if line.strip()]
    for one in found:
        unknown = [column for column in one.columns if column not in known]
        if unknown:
            why = "The table has no such column"
            if any(unknown[0] == other.name for other in found):
                why = "A derived feature cannot use another one"
            elif unknown[0] in names:
                why = "It is the target, left out, or not numeric"
            raise UnusableOperandError(one.name, unknown[0], why, known)
        if one.name in names:
            raise FeatureNameTakenError(one.name)
        names.add(one.name)
    return found


def built_in(numeric: Iterable[str]) -> list[Derived]:
    """The features of the credit table, if the table has all columns that they need; otherwise none."""
    known = set(numeric)
    found = [parse(line) for line in BUILT_IN]
    return found if all(known.issuperset(one.columns) for one in found) else []


def compile_tree(tree: Tree, columns: dict[str, str], graph: GraphBuilder) -> str:
    """Add the nodes of an expression; the name of the tensor with its value.

    `columns` names the float64 tensor of each column. The value may be NaN or infinite: that is for the caller.
    """
    if isinstance(tree, Number):
        return graph.constant(tree.value)
    if isinstance(tree, Name):
        return columns[tree.column]
    inputs = [compile_tree(argument, columns, graph) for argument in tree.arguments]
    if tree.operation in ("min", "max"):
        # Min and Max do not promise what they make of NaN; a sum does.
        compared = graph.node("Less" if tree.operation == "min" else "Greater", *inputs)
        missing = graph.node("IsNaN", graph.node("Add", *inputs))
        return graph.node("Where", missing, graph.constant(float("nan")), graph.node("Where", compared, *inputs))
    if tree.operation == "log1p":
        return graph.node("Log", graph.node("Add", inputs[0], graph.constant(1.0)))
    return graph.node(_NODES[tree.operation], *inputs)


_NODES: Final = {"+": "Add", "-": "Sub", "*": "Mul", "/": "Div", "negate": "Neg", "abs": "Abs", "sqrt": "Sqrt"}


class _Parser:
    def __init__(self, declaration: str, text: str) -> None:
        self._declaration = declaration
        self._tokens: list[tuple[str, str]] = []
        self._next = 0
        self._depth = 0
        position, text = 0, text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise self._error(f"{text[position:].strip()[:20]!r} cannot be read.")
            kind = match.lastgroup or ""
            self._tokens.append((kind, match[kind]))
            position = match.end()
            if len(self._tokens) > MAX_TOKENS:
                raise self._error(f"It is longer than {MAX_TOKENS} words and signs.")

    def whole(self) -> Tree:
        tree = self._sum()
        if self._next < len(self._tokens):
            raise self._error(f"{self._peek()!r} is not expected there.")
        return tree

    def _sum(self) -> Tree:
        tree = self._product()
        while self._peek() in ("+", "-"):
            tree = Call(self._take(), (tree, self._product()))
        return tree

    def _product(self) -> Tree:
        tree = self._factor()
        while self._peek() in ("*", "/"):
            tree = Call(self._take(), (tree, self._factor()))
        return tree

    def _factor(self) -> Tree:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(f"It is nested more than {MAX_DEPTH} deep.")
        tree = self._unary()
        self._depth -= 1
        return tree

    def _unary(self) -> Tree:
        if self._next == len(self._tokens):
            raise self._error("It ends too early.")
        kind, text = self._tokens[self._next]
        self._next += 1
        if kind == "number":
            return Number(float(text))
        if kind == "quoted" or (kind == "word" and self._peek() != "("):
            return Name(text.strip())
        if kind == "word":
            return self._call(text)
        if text == "-":
            return Call("negate", (self._factor(),))
        if text == "(":
            tree = self._sum()
            self._expect(")")
            return tree
        raise self._error(f"{text!r} is not expected there.")

    def _call(self, function: str) -> Tree:
        if function not in FUNCTIONS:
            raise self._error(f"There is no function {function!r}; there are {', '.join(FUNCTIONS)}.")
        self._expect("(")
        arguments = [self._sum()]
        while self._peek() == ",":
            self._take()
            arguments.append(self._sum())
        self._expect(")")
        if len(arguments) != FUNCTIONS[function]:
            raise self._error(f"{function} takes {FUNCTIONS[function]} values, not {len(arguments)}.")
        return Call(function, tuple(arguments))

    def _peek(self) -> str:
        kind, text = self._tokens[self._next] if self._next < len(self._tokens) else ("end", "")
        return text if kind == "sign" else f"`{text}`" if kind != "end" else ""

    def _take(self) -> str:
        self._next += 1
        return self._tokens[self._next - 1][1]

    def _expect(self, sign: str) -> None:
        if self._peek() != sign:
            raise self._error(f"A {sign!r} is missing.")
        self._take()

    def _error(self, why: str) -> ExpressionError:
        return ExpressionError(self._declaration, why)


def _columns(tree: Tree) -> Iterable[str]:
    if isinstance(tree, Name):
        yield tree.column
    elif isinstance(tree, Call):
        for argument in tree.arguments:
            yield from _columns(argument)
