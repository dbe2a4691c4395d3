"""The form that a manifest asks for, and what a person typed into it. Pure.

Inputs are named `x.<feature>`, so that a link says what it means and no feature can clash with the app's own names.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from app.frontend.labels import spoken, words
from app.web.formats import input_text, percent, short_number
from pipeline.core.bundle import Feature, Manifest, Scalar

PREFIX: Final = "x."
SELECT_UP_TO: Final = 15  # more categories than that are typed, with suggestions
SUGGESTIONS: Final = 300
FLOAT32_MAX: Final = 3.4028234663852886e38
NEWLINE: Final = re.compile(r"\r\n|\r|\n")
YES: Final = frozenset({"true", "yes", "1", "1.0"})
NO: Final = frozenset({"false", "no", "0", "0.0"})


@dataclass(frozen=True)
class Option:
    """One choice of a select."""

    value: str
    text: str
    is_chosen: bool


@dataclass(frozen=True)
class Field:
    """One input: what it is called, how it is drawn, what stands in it and what is to be said about that.

    `error` keeps the row from being predicted; `warning` does not.
    """

    id: str
    name: str
    feature: str
    label: str
    unit: str
    description: str
    hint: str
    widget: Literal["number", "select", "text"]
    text: str
    step: str = "any"
    options: tuple[Option, ...] = ()
    suggestions: tuple[str, ...] = ()
    error: str = ""
    warning: str = ""

    @property
    def describedby(self) -> str:
        """Ids of everything that describes the input."""
        parts = [("hint", self.hint or self.description), ("error", self.error), ("warning", self.warning)]
        return " ".join(f"{self.id}-{part}" for part, text in parts if text)


@dataclass(frozen=True)
class Answers:
    """What was sent: typed text per feature, names that the model does not know, features that were not sent."""

    texts: dict[str, str]
    unknown: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Form:
    """All fields, and the record to predict: None as long as a field has an error."""

    fields: tuple[Field, ...]
    record: dict[str, Scalar] | None
    missing: tuple[Feature, ...] = ()

    @property
    def n_errors(self) -> int:
        """Fields that must be corrected first."""
        return sum(1 for field in self.fields if field.error)


def answers(manifest: Manifest, sent: Iterable[tuple[str, str]]) -> Answers:
    """Sort what arrived by feature. Browsers send newlines of names as CR LF, so names are compared without regard to that."""
    by_key = {NEWLINE.sub("\n", feature.name): feature.name for feature in manifest.features}
    texts: dict[str, str] = {}
    unknown: list[str] = []
    for key, text in sent:
        if not key.startswith(PREFIX):
            continue
        name = by_key.get(NEWLINE.sub("\n", key[len(PREFIX) :]))
        if name is None:
            unknown.append(key[len(PREFIX) :])
        else:
            texts[name] = text
    absent = tuple(feature.name for feature in manifest.features if feature.name not in texts)
    return Answers(texts, tuple(dict.fromkeys(unknown)), absent)


def examples(manifest: Manifest) -> list[dict[str, Scalar]]:
    """Rows to fill the form with: the example of each feature first, then the golden rows, each once."""
    first: dict[str, Scalar] = {feature.name: feature.example for feature in manifest.features}
    rows: list[dict[str, Scalar]] = []
    for row in [first, *(golden.record for golden in manifest.golden)]:
        if row not in rows and any(value is not None for value in row.values()):
            rows.append(row)
    return rows or [first]


def texts_of(row: Mapping[str, Scalar]) -> dict[str, str]:
    """A row as it would have been typed."""
    return {name: input_text(value) for name, value in row.items()}


def filled(manifest: Manifest, texts: Mapping[str, str], *, is_checked: bool = True) -> Form:
    """The form with `texts` in it; `is_checked` false draws it without complaints, as when it is opened."""
    fields: list[Field] = []
    record: dict[str, Scalar] = {}
    missing: list[Feature] = []
    for index, feature in enumerate(manifest.features):
        text = texts.get(feature.name, "")
        value, error = read(feature, text)
        warning = "" if error or not is_checked else doubt(feature, value)
        fields.append(_field(f"f{index}", feature, text, value, error=error if is_checked else "", warning=warning))
        record[feature.name] = value
        if value is None:
            missing.append(feature)
    has_errors = any(field.error for field in fields)
    return Form(tuple(fields), None if has_errors else record, tuple(missing))


def read(feature: Feature, text: str) -> tuple[Scalar, str]:
    """The value that `text` stands for and "", or None and what is wrong with it. Empty is missing."""
    stripped = text.strip()
    if not stripped:
        return None, ""
    if feature.kind == "categorical":
        return (text if text in feature.categories else stripped), ""
    if feature.kind == "boolean":
        answer = stripped.lower()
        if answer in YES | NO:
            return answer in YES, ""
        return None, "Choose yes or no, or leave it empty if it is not known."
    return _number(stripped)


def doubt(feature: Feature, value: Scalar) -> str:
    """A warning about a value that the model can take but has hardly seen; "" if there is none."""
    if value is None:
        return "" if feature.nullable else "Never missing in the training data, so the model had to guess here."
    if feature.kind == "categorical" and value not in feature.categories:
        return "Not among the training data: treated as an unknown value."
    return "" if isinstance(value, str | bool) else _number_doubt(feature, value)


def _number_doubt(feature: Feature, value: float) -> str:
    if feature.min is not None and value < feature.min:
        return (
            f"Below everything in the training data (lowest {short_number(feature.min)}): treat the answer with care."
        )
    if feature.max is not None and value > feature.max:
        return (
            f"Above everything in the training data (highest {short_number(feature.max)}): treat the answer with care."
        )
    if feature.low is not None and feature.high is not None and not feature.low <= value <= feature.high:
        return (
            f"Unusual: 98% of the training rows lie from {short_number(feature.low)} to {short_number(feature.high)}."
        )
    if feature.integer and value != int(value):
        return "Always a whole number in the training data."
    return ""


def _number(text: str) -> tuple[Scalar, str]:
    plain = text.replace("−", "-").replace("\u00a0", "").replace("\u202f", "").replace(" ", "")
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", plain, re.ASCII) is None:
        if re.fullmatch(r"[+-]?[\d.]*,[\d.,]*", plain, re.ASCII):
            return None, "Write the number with a point and without commas, such as 1234.5."
        return None, f"“{text[:40]}” is not a number. Leave it empty if it is not known."
    number = float(plain)
    if not math.isfinite(number) or abs(number) > FLOAT32_MAX:
        return None, "This number is too large for the model."
    return (int(number) if number == int(number) and abs(number) < 2**53 else number), ""


def _field(id: str, feature: Feature, text: str, value: Scalar, *, error: str, warning: str) -> Field:
    widget: Literal["number", "select", "text"] = "number"
    options: tuple[Option, ...] = ()
    if feature.kind == "boolean":
        widget = "select"
        chosen = value if isinstance(value, bool) else None
        options = (
            *([Option(text, text, True)] if error else []),
            Option("", "not known", chosen is None and not error),
            Option("true", "yes", chosen is True),
            Option("false", "no", chosen is False),
        )
    elif feature.kind == "categorical" and len(feature.categories) <= SELECT_UP_TO:
        widget = "select"
        offered = (
            [*feature.categories] if value is None or value in feature.categories else [str(value), *feature.categories]
        )
        options = (
            Option("", "not known", value is None),
            *(Option(name, _offer(name, feature), name == value) for name in offered),
        )
    elif feature.kind == "categorical":
        widget = "text"
    elif error:
        widget = "text"  # an input of type number would drop what is not a number instead of showing it
    return Field(
        id=id,
        name=PREFIX + feature.name,
        feature=feature.name,
        label=words(feature.name),
        unit=feature.unit,
        description=feature.description,
        hint=_hint(feature),
        widget=widget,
        text=text.strip() if feature.kind == "numeric" else text,
        step="1" if feature.integer else "any",
        options=options,
        suggestions=tuple(feature.categories[:SUGGESTIONS]) if widget == "text" else (),
        error=error,
        warning=warning,
    )


def _offer(name: str, feature: Feature) -> str:
    return name if name in feature.categories else f"{name} (not in the training data)"


def _hint(feature: Feature) -> str:
    parts = []
    if feature.kind == "numeric" and feature.low is not None and feature.high is not None:
        parts.append(f"usually {short_number(feature.low)} to {short_number(feature.high)}")
        if feature.median is not None and feature.low != feature.high:
            parts.append(f"typically {short_number(feature.median)}")
    elif feature.kind == "categorical" and feature.categories:
        parts.append(f"most often {spoken(feature, feature.categories[0])}")
        if len(feature.categories) > SELECT_UP_TO:
            parts.append(f"{len(feature.categories):,} known values")
    if feature.missing_share >= 0.0005:
        parts.append(f"missing in {percent(feature.missing_share)}")
    return ", ".join(parts)
