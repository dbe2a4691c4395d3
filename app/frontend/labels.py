"""Columns, values and classes as a person reads them. Pure."""

import re
from textwrap import shorten
from typing import Final

from app.web.formats import short_number
from pipeline.core.cells import SWAP_MARKS
from pipeline.core.manifest import Feature, Scalar

MAX_SHOWN_TEXT: Final = 80
CAMEL_CASE: Final = re.compile(r"[a-z][A-Z]|[A-Z]{2}[a-z]{2}")
HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})|(?<=[A-Za-z])(?=\d\d)|(?<=\d)(?=[A-Z])")


def column_label(name: str) -> str:
    """Return `Monthly income` for `MonthlyIncome`, `Worst area` for `worst_area`; acronyms stay as they are.

    Words that say no more are left out: `NumberOfTime30-59DaysPastDueNotWorse` is `Times 30-59 days past due`.
    """
    is_camel_case = CAMEL_CASE.search(name) is not None
    text = HUMP.sub(" ", name) if is_camel_case else name
    parts = text.replace("_", " ").split()
    if not parts:
        return name
    if is_camel_case:
        parts = [part if part.isupper() and len(part) > 1 else part[0].lower() + part[1:] for part in parts]
    match [part.lower() for part in parts]:
        case ["number", "of", "time" | "times", *_]:
            parts = ["times", *parts[3:]]
        case ["number", word, _, *_] if word != "of":
            parts = ["number of", *parts[1:]]
    if [part.lower() for part in parts[-4:]] == ["past", "due", "not", "worse"]:
        parts = parts[:-2]
    first = parts[0]
    return " ".join([first[0].upper() + first[1:], *parts[1:]])


def value_text(feature: Feature, value: Scalar) -> str:
    """Return a value as it stands in a sentence: `5,400 USD`, `yes`, `“rent”`, `missing`."""
    if value is None or value == "":
        return "missing"
    if feature.kind == "boolean":
        return "yes" if value == 1 else "no"
    if feature.kind == "date" and isinstance(value, str):
        return value.removesuffix("T00:00:00").replace("T", " ")
    if feature.kind == "text" and isinstance(value, str):
        return f"“{shorten(value, MAX_SHOWN_TEXT, placeholder=' …')}”"
    if feature.kind == "categorical" or isinstance(value, str):
        return f"“{value}”"
    return f"{number_text(feature, float(value))} {feature.unit}".rstrip()


def number_text(feature: Feature, value: float) -> str:
    """Return a short number with the marks of its column: 1.234,5 where that has decimal commas."""
    text = short_number(value)
    return text.translate(SWAP_MARKS) if feature.reading.decimal == "," else text


def class_label(prediction: object, classes: list[str]) -> str:
    """Return the label in `classes` that the JSON value `prediction` stands for: True may be `true` or `True`."""
    text = str(prediction)
    if text in classes:
        return text
    for label in classes:
        if label.lower() == text.lower():
            return label
        if isinstance(prediction, int | float):
            try:
                if float(label) == float(prediction):
                    return label
            except ValueError:
                continue
    return text
