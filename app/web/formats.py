"""Numbers, sizes, times and names as text for people, written alike on every page of panel and app. Pure."""

import math
import re
from datetime import datetime
from typing import Final

from markupsafe import Markup, escape

_WORD_BOUNDARY: Final = re.compile(r"(?<=[_.])(?=[^_.])|(?<=[a-z0-9])(?=[A-Z])")


def duration(seconds: float | None) -> str:
    """Return `40 ms`, `7.3 s`, `2:05` or `1:02:05`; a dash where it was not measured."""
    if seconds is None:
        return "–"
    if seconds < 0.1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, second = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes}:{second:02}"


def number(value: float | None, digits: int = 4, *, min_decimals: int = 0) -> str:
    """Return a metric or statistic with `digits` significant digits, without an exponent while that is readable.

    Below 1 there are always `digits` decimals, so that a column of metrics lines up.
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e15):
        text = f"{int(value):,}"
    elif abs(value) >= 1e7 or abs(value) < 1e-4:
        text = f"{value:.{digits}g}"
    else:
        decimals = max(min_decimals, digits - 1 - math.floor(math.log10(abs(value)))) if abs(value) >= 1 else digits
        text = f"{value:,.{decimals}f}"
    return text.replace("-", "−")


def short_number(value: float) -> str:
    """Return a number for a sentence, a form or an axis: as `number`, with no zeros at the end."""
    text = number(value, min_decimals=1)
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def input_text(value: bool | float | str | None) -> str:
    """Return a value as an input holds it: it reads back as itself, without thousands separators; "" is missing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
    return str(value)


def signed(value: float | None, digits: int = 4) -> str:
    """Return a difference, always with its sign."""
    text = number(value, digits)
    return f"+{text}" if value is not None and value > 0 else text


def count(value: int | None) -> str:
    """Return a whole number with thousands separated."""
    return "–" if value is None else f"{value:,}"


def percent(share: float | None) -> str:
    """Return a share of one as `12.3%`; what is neither 0 nor 1 is never rounded to 0% or 100%."""
    if share is None:
        return "–"
    if 0 < share < 0.0005:
        return "<0.1%"
    if 0.9995 < share < 1:
        return ">99.9%"
    return f"{share * 100:.1f}%".replace(".0%", "%")


def size(n_bytes: int | None) -> str:
    """Return bytes in the unit (powers of 1024) that leaves one to three digits before the point."""
    if n_bytes is None:
        return "–"
    value = float(n_bytes)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000:
            return (
                f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f}".removesuffix(".0") + f" {unit}"
            )
        value /= 1024
    return f"{value:.1f} TB"


def clock(at: datetime | None) -> str:
    """Return `2026-11-22 23:20:05` in the server's time zone; a dash for None."""
    return "–" if at is None else f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def name(text: str) -> Markup:
    """Return the name of a column or file with break opportunities for narrow pages: after `_` and `.`, in camelCase."""
    return Markup("<wbr>").join(escape(part) for part in _WORD_BOUNDARY.split(text))
