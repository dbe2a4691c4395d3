"""Geometry of small charts that templates draw as SVG. Pure; the numbers behind a chart are also in a table."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """One value and its position in the chart."""

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
        """Return the points in the form of an SVG polyline."""
        return " ".join(f"{p.x:.1f},{p.y:.1f}" for p in self.points)


def layout_trend(
    values: Sequence[tuple[str, float, bool]], width: float = 760, height: float = 110, pad: float = 8
) -> Trend | None:
    """Return the line through (label, value, is_marked), oldest first; None without values. Equal values lie halfway up."""
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
    is_marked: bool = False


def layout_bars(counts: Sequence[float], width: float = 120, height: float = 28) -> tuple[Bar, ...]:
    """Return the bars of a histogram; a bin with any rows is at least one unit high, so that it is visible."""
    largest = max(counts, default=0)
    if largest <= 0:
        return ()
    step = width / len(counts)
    heights = [max(1.0, count / largest * height) if count > 0 else 0.0 for count in counts]
    return tuple(Bar(i * step, height - h, max(step - 1, 0.5), h) for i, h in enumerate(heights))
