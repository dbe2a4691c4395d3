"""Geometry of small charts, drawn as SVG by templates. Pure; the numbers behind a chart also stand in a table."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """One value at its place in the chart."""

    x: float
    y: float
    value: float
    label: str
    is_marked: bool


@dataclass(frozen=True)
class Trend:
    """A line through values over time. `low` and `high` are the smallest and the largest value."""

    width: float
    height: float
    points: tuple[Point, ...]
    low: float
    high: float

    @property
    def path(self) -> str:
        """The points as SVG's polyline takes them."""
        return " ".join(f"{p.x:.1f},{p.y:.1f}" for p in self.points)


def trend(
    values: Sequence[tuple[str, float, bool]], width: float = 760, height: float = 110, pad: float = 8
) -> Trend | None:
    """The line through (label, value, marked), oldest first; None without values. Equal values lie in the middle."""
    if not values:
        return None
    low = min(value for _, value, _ in values)
    high = max(value for _, value, _ in values)
    step = (width - 2 * pad) / max(1, len(values) - 1)
    start = pad if len(values) > 1 else width / 2

    def y(value: float) -> float:
        share = (value - low) / (high - low) if high > low else 0.5
        return height - pad - share * (height - 2 * pad)

    points = tuple(
        Point(start + i * step, y(value), value, label, mark) for i, (label, value, mark) in enumerate(values)
    )
    return Trend(width, height, points, low, high)


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram, in the chart's units."""

    x: float
    y: float
    width: float
    height: float


def bars(counts: Sequence[float], width: float = 120, height: float = 28) -> tuple[Bar, ...]:
    """Bars of a histogram; what is present is at least one unit high, so that a rare value can be seen."""
    most = max(counts, default=0)
    if most <= 0:
        return ()
    step = width / len(counts)
    heights = [max(1.0, count / most * height) if count > 0 else 0.0 for count in counts]
    return tuple(Bar(i * step, height - h, max(step - 1, 0.5), h) for i, h in enumerate(heights))
