"""The form for one row of a model's features, and the values that a person typed into it. Pure.

Inputs are named `x.<feature>`, so that a link is readable and no feature can clash with the app's own names.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from app.frontend.labels import column_label, number_text, value_text
from app.web.formats import input_text, percent
from pipeline.core.cells import read_number
from pipeline.core.manifest import Feature, Manifest, Scalar
from pipeline.core.sentences import plural

PREFIX: Final = "x."
MAX_SELECT_OPTIONS: Final = 15  # more categories than that are typed, with suggestions
MAX_SUGGESTIONS: Final = 300
FLOAT32_EPSILON: Final = 2.0**-23  # relative
MIDNIGHT: Final = "T00:00:00"
NEWLINE: Final = re.compile(r"\r\n|\r|\n")

Widget = Literal["number", "select", "text", "textarea"]


@dataclass(frozen=True)
class Option:
    """One choice of a select."""

    value: str
    text: str
    is_selected: bool


@dataclass(frozen=True)
class Field:
    """One input with its label, its text and the messages about that text.

    `error` keeps the row from being predicted; `warning` does not.
    """

    id: str
    name: str
    feature: str
    label: str
    unit: str
    description: str
    hint: str
    widget: Widget
    text: str
    step: str = "any"
    options: tuple[Option, ...] = ()
    suggestions: tuple[str, ...] = ()
    error: str = ""
    warning: str = ""

    @property
    def describedby(self) -> str:
        """Return the ids of everything that describes the input."""
        parts = [("hint", self.hint or self.description), ("error", self.error), ("warning", self.warning)]
        return " ".join(f"{self.id}-{part}" for part, text in parts if text)


@dataclass(frozen=True)
class Inputs:
    """The form as it was submitted: text per feature, names that the model does not know, features without an input."""

    texts: dict[str, str]
    unknown: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Form:
    """All fields, and the record to predict: None as long as a field has an error."""

    fields: tuple[Field, ...]
    record: dict[str, Scalar] | None

    @property
    def n_errors(self) -> int:
        """Return the number of fields that must be corrected first."""
        return sum(1 for field in self.fields if field.error)


def read_inputs(manifest: Manifest, pairs: Iterable[tuple[str, str]]) -> Inputs:
    """Return the submitted `pairs` of name and text by feature.

    Browsers send a newline in a name as CR LF, so names are compared with all newlines alike.
    """
    by_key = {NEWLINE.sub("\n", feature.name): feature.name for feature in manifest.features}
    texts: dict[str, str] = {}
    unknown: list[str] = []
    for key, text in pairs:
        if not key.startswith(PREFIX):
            continue
        name = by_key.get(NEWLINE.sub("\n", key[len(PREFIX) :]))
        if name is None:
            unknown.append(key[len(PREFIX) :])
        else:
            texts[name] = text
    absent = tuple(feature.name for feature in manifest.features if feature.name not in texts)
    return Inputs(texts, tuple(dict.fromkeys(unknown)), absent)


def example_rows(manifest: Manifest) -> list[dict[str, Scalar]]:
    """Return rows to fill the form with: the example of each feature first, then the golden rows, each once."""
    first: dict[str, Scalar] = {feature.name: feature.example for feature in manifest.features}
    rows: list[dict[str, Scalar]] = []
    for row in [first, *(golden.record for golden in manifest.golden)]:
        if row not in rows and any(value is not None for value in row.values()):
            rows.append(row)
    return rows or [first]


def input_texts(manifest: Manifest, row: Mapping[str, Scalar]) -> dict[str, str]:
    """Return a row as a person would have typed it, and as the table has it."""
    return {feature.name: cell_text(feature, row[feature.name]) for feature in manifest.features if feature.name in row}


def cell_text(feature: Feature, value: Scalar) -> str:
    """Return a value as the cells of its column are written: with a decimal comma where they have one."""
    text = input_text(value)
    if feature.kind == "date":
        return text.removesuffix(MIDNIGHT).replace("T", " ")
    is_number = isinstance(value, float) and not isinstance(value, bool)
    return text.replace(".", ",") if is_number and feature.reading.decimal == "," else text


def build_form(manifest: Manifest, texts: Mapping[str, str], *, is_checked: bool = True) -> Form:
    """Return the form with `texts` in it; without errors and warnings unless `is_checked`, as when it is opened."""
    fields: list[Field] = []
    record: dict[str, Scalar] = {}
    for index, feature in enumerate(manifest.features):
        text = texts.get(feature.name, "")
        value, error = parse_value(feature, text)
        warning = "" if error or not is_checked else value_warning(feature, value)
        field = _build_field(f"f{index}", feature, text, value, error=error if is_checked else "", warning=warning)
        fields.append(field)
        record[feature.name] = value
    has_errors = any(field.error for field in fields)
    return Form(tuple(fields), None if has_errors else record)


def parse_value(feature: Feature, text: str) -> tuple[Scalar, str]:
    """Return the value that `text` stands for and "", or None and the error. Blank text is a missing value."""
    stripped = text.strip()
    if not stripped:
        return None, ""
    cells = feature.cells
    try:
        if feature.is_text:
            return cells.text(text) or None, ""
        number = cells.number(stripped)
    except ValueError:
        return None, _reading_error(feature, stripped)
    if math.isnan(number):
        return None, ""
    if feature.kind == "boolean":
        return number == 1, ""
    return (int(number) if number == int(number) and abs(number) < 2**53 else number), ""


def value_warning(feature: Feature, value: Scalar) -> str:
    """Return a warning about a value that the model accepts but has hardly seen; "" if there is none."""
    if value is None:
        return "" if feature.nullable else "Never missing in the training data: the imputed value is a guess."
    if feature.kind == "categorical" and value not in feature.categories:
        return "Not in the training data: treated as an unknown category."
    if isinstance(value, str) and feature.cells.is_unseen(value):
        return "No word of it was among those that the model looks for."
    return "" if isinstance(value, str | bool) else _number_warning(feature, value)


def _number_warning(feature: Feature, value: float) -> str:
    if feature.min is not None and _is_less(value, feature.min):
        lowest = number_text(feature, feature.min)
        return f"Below everything in the training data (lowest {lowest}): treat the answer with care."
    if feature.max is not None and _is_less(feature.max, value):
        highest = number_text(feature, feature.max)
        return f"Above everything in the training data (highest {highest}): treat the answer with care."
    low, high = feature.low, feature.high
    if low is not None and high is not None and (_is_less(value, low) or _is_less(high, value)):
        return f"Unusual: 98% of the training rows lie between {number_text(feature, low)} and {number_text(feature, high)}."
    if feature.integer and value != int(value):
        return "Always a whole number in the training data."
    return ""


def _is_less(a: float, b: float) -> bool:
    """Return whether `a` is less than `b` by more than the rounding of the model's 32-bit numbers."""
    return b - a > FLOAT32_EPSILON * max(abs(a), abs(b))


def _reading_error(feature: Feature, text: str) -> str:
    """Return why a text is no value of the feature, and how one is written."""
    if feature.kind == "boolean":
        return "Choose yes or no, or leave it blank if unknown."
    if feature.kind == "date":
        return f"“{text[:40]}” is not a date such as 2020-01-31 or 2020-01-31 14:05. Leave it blank if unknown."
    if re.fullmatch(r"[+-]?[\d.,]*[.,][\d.,]*", text, re.ASCII):
        mark, example = ("comma", "1234,5") if feature.reading.decimal == "," else ("point", "1234.5")
        return f"Write the number with a decimal {mark}, such as {example}."
    try:
        read_number(text, feature.reading)
    except ValueError:
        return f"“{text[:40]}” is not a number. Leave it blank if unknown."
    return "This number is too large for the model."


def _build_field(id: str, feature: Feature, text: str, value: Scalar, *, error: str, warning: str) -> Field:
    widget = _choose_widget(feature, has_error=bool(error))
    return Field(
        id=id,
        name=PREFIX + feature.name,
        feature=feature.name,
        label=column_label(feature.name),
        unit=feature.unit,
        description=feature.description,
        hint=_build_hint(feature),
        widget=widget,
        text=text.strip() if feature.kind == "numeric" else text,
        step="1" if feature.integer else "any",
        options=_select_options(feature, text, value, has_error=bool(error)) if widget == "select" else (),
        suggestions=tuple(feature.categories[:MAX_SUGGESTIONS]) if widget == "text" else (),
        error=error,
        warning=warning,
    )


def _choose_widget(feature: Feature, *, has_error: bool) -> Widget:
    if feature.kind == "boolean":
        return "select"
    if feature.kind == "date":
        return "text"
    if feature.kind == "text":
        return "textarea"
    if feature.kind == "categorical":
        return "select" if len(feature.categories) <= MAX_SELECT_OPTIONS else "text"
    # An input of type number would drop text that is not a number instead of showing it.
    # One with a decimal comma would read 7.14 as it is written nowhere in the table.
    return "text" if has_error or feature.reading.decimal == "," else "number"


def _select_options(feature: Feature, text: str, value: Scalar, *, has_error: bool) -> tuple[Option, ...]:
    if feature.kind == "boolean":
        return (
            *([Option(text, text, True)] if has_error else []),
            Option("", "unknown", value is None and not has_error),
            Option("true", "yes", value is True),
            Option("false", "no", value is False),
        )
    is_new = value is not None and value not in feature.categories
    return (
        Option("", "unknown", value is None),
        *([Option(str(value), f"{value} (not in the training data)", True)] if is_new else []),
        *(Option(name, name, name == value) for name in feature.categories),
    )


def _build_hint(feature: Feature) -> str:
    parts = ["such as 2020-01-31 or 2020-01-31 14:05"] if feature.kind == "date" else []
    if feature.kind == "numeric" and feature.low is not None and feature.high is not None:
        parts.append(f"usually {number_text(feature, feature.low)} to {number_text(feature, feature.high)}")
        if feature.median is not None and feature.low != feature.high:
            parts.append(f"median {number_text(feature, feature.median)}")
    elif feature.kind == "categorical" and feature.categories:
        parts.append(f"most often {value_text(feature, feature.categories[0])}")
        if len(feature.categories) > MAX_SELECT_OPTIONS:
            parts.append(plural(len(feature.categories), "category", "categories"))
    elif feature.kind == "text":
        parts.append(f"text, in which the model looks for {plural(len(feature.words), 'word')}")
    if feature.missing_share >= 0.0005:
        parts.append(f"missing in {percent(feature.missing_share)}")
    return ", ".join(parts)
