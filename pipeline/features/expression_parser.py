"""Parses the expression of a derived feature into a tree.

    expression := term (("+" | "-") term)*          term := factor (("*" | "/") factor)*
    factor     := "-" factor | number | column | "(" expression ")" | function "(" expression ["," expression] ")"

Functions are abs, sqrt, log1p of one value and min, max of two. A column whose name is not a plain word is put in
backticks.
"""

import re
from dataclasses import dataclass
from typing import Final

from pipeline.features.problems import ExpressionError

FUNCTIONS: Final = {"abs": 1, "sqrt": 1, "log1p": 1, "min": 2, "max": 2}
MAX_TOKENS: Final = 300  # bounds how deep the tree gets, and with it the recursion
MAX_DEPTH: Final = 60

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


def parse_expression(declaration: str, text: str) -> Tree:
    """Return the tree of `text`, the expression in `declaration`. Raises DataError DATA-20 where it is not one."""
    return _Parser(declaration, text).whole()


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
                raise self._error(f"Unexpected characters: {text[position:].strip()[:20]!r}.")
            kind = match.lastgroup or ""
            self._tokens.append((kind, match[kind]))
            position = match.end()
            if len(self._tokens) > MAX_TOKENS:
                raise self._error(f"It is longer than {MAX_TOKENS} words and symbols.")

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
            raise self._error(f"Unknown function {function!r}; the functions are {', '.join(FUNCTIONS)}.")
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
