"""How numbers, sizes and times are written for people, the same everywhere. Pure."""

import math
import re
from datetime import datetime
from typing import Final

from markupsafe import Markup, escape

_SEAM: Final = re.compile(r"(?<=[_.])(?=[^_.])|(?<=[a-z0-9])(?=[A-Z])")


def duration(seconds: float | None) -> str:
    """`0.04 s`, `7.3 s`, `2:05`, `1:02:05`; a dash where it was not measured."""
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


def number(value: float | None, digits: int = 4) -> str:
    """A metric or statistic, with `digits` significant digits and no exponent where a person can read it without."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e15):
        text = f"{int(value):,}"
    elif abs(value) >= 1e7 or abs(value) < 1e-4:
        text = f"{value:.{digits}g}"
    else:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(value)))) if abs(value) >= 1 else digits
        text = f"{value:,.{decimals}f}"
    return text.replace("-", "−")


def signed(value: float | None, digits: int = 4) -> str:
    """A difference, always with its sign."""
    text = number(value, digits)
    return f"+{text}" if value is not None and value > 0 else text


def count(value: int | None) -> str:
    """A whole number with thousands separated."""
    return "–" if value is None else f"{value:,}"


def share(value: float | None) -> str:
    """A share of one as a percentage; tiny but present is never written as 0."""
    if value is None:
        return "–"
    if 0 < value < 0.001:
        return "<0.1 %"
    return f"{value * 100:.1f} %".replace(".0 %", " %")


def size(n_bytes: int | None) -> str:
    """Bytes in the unit that leaves one to three digits before the point (powers of 1024)."""
    if n_bytes is None:
        return "–"
    value = float(n_bytes)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TB"


def clock(at: datetime | None) -> str:
    """`2026-11-22 23:20:05` in the time zone of the server; a dash for never."""
    return "–" if at is None else f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def plural(n: int, one: str, many: str = "") -> str:
    """`1 run`, `2 runs`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def name(text: str) -> Markup:
    """A column's or file's name that a narrow page breaks where its words meet: after `_` and `.`, at a hump."""
    return Markup("<wbr>").join(escape(part) for part in _SEAM.split(text))
