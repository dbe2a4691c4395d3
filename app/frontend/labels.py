"""Column names and values as a person reads and types them. Pure."""

import re
from typing import Final

from pipeline.core.bundle import Feature, Scalar

CAMEL_CASE: Final = re.compile(r"[a-z][A-Z]|[A-Z]{2}[a-z]{2}")
HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})|(?<=[A-Za-z])(?=\d\d)|(?<=\d)(?=[A-Z])")


def words(name: str) -> str:
    """`MonthlyIncome` -> `Monthly income`, `worst_area` -> `Worst area`; acronyms and names with spaces stay."""
    text = HUMP.sub(" ", name) if CAMEL_CASE.search(name) else name
    parts = text.replace("_", " ").split()
    if not parts:
        return name
    if CAMEL_CASE.search(name):
        parts = [part if part.isupper() and len(part) > 1 else part[0].lower() + part[1:] for part in parts]
    first = parts[0]
    return " ".join([first[0].upper() + first[1:], *parts[1:]])


def typed(value: Scalar) -> str:
    """A value as it stands in an input: no thousands separator, no exponent where it can be avoided; "" is missing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
    return str(value)


def spoken(feature: Feature, value: Scalar) -> str:
    """A value inside a sentence: `5,400 USD`, `yes`, `“rent”`, `missing`."""
    if value is None or value == "":
        return "missing"
    if feature.kind == "boolean":
        return "yes" if value == 1 else "no"
    if feature.kind == "categorical" or isinstance(value, str):
        return f"“{value}”"
    return f"{figure(float(value))} {feature.unit}".rstrip()


def figure(value: float) -> str:
    """A number with at most four significant digits after the point, thousands separated."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}".replace("-", "−")
    size = abs(value)
    if size >= 1e7 or size < 1e-4:
        return f"{value:.3g}".replace("-", "−")
    decimals = 1 if size >= 1000 else 2 if size >= 10 else 3 if size >= 1 else 4
    return f"{value:,.{decimals}f}".rstrip("0").rstrip(".").replace("-", "−")


def percent(share: float) -> str:
    """A probability as `12.3 %`; near 0 and 1 never rounded to certainty."""
    if 0 < share < 0.0005:
        return "under 0.1\u00a0%"
    if 0.9995 < share < 1:
        return "over 99.9\u00a0%"
    return f"{share * 100:.1f}\u00a0%".replace(".0\u00a0%", "\u00a0%")


def class_label(prediction: object, classes: list[str]) -> str:
    """The label of the table that the JSON value `prediction` stands for: 1 is `1`, True may be `true` or `True`."""
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
