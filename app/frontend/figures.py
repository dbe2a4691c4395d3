"""Geometry of the drawings: everything in percent of the drawing's box, so that text never scales with it. Pure.

x grows to the right and y downwards, as in SVG.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from app.web.formats import percent, short_number
from pipeline.core.bundle import Histogram


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where, in percent, and what is written there."""

    at: float
    text: str


@dataclass(frozen=True)
class Bar:
    """One bar, in percent of the box."""

    x: float
    y: float
    width: float
    height: float
    is_marked: bool = False


@dataclass(frozen=True)
class Gauge:
    """A scale from 0 to 1 with the score on it; `threshold` is None where there is none."""

    score: float
    threshold: float | None
    is_above: bool


@dataclass(frozen=True)
class Distribution:
    """A histogram with one value marked on it."""

    bars: tuple[Bar, ...]
    mark: float
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class Line:
    """A curve over a number: `path` is an SVG path in a box of 100 x 100."""

    path: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    threshold: float | None
    mark_x: float | None
    mark_y: float | None


def gauge(score: float, threshold: float | None) -> Gauge:
    """Where a probability and its threshold lie, in percent."""
    return Gauge(
        score=_inside(score * 100),
        threshold=None if threshold is None else _inside(threshold * 100),
        is_above=threshold is not None and score >= threshold,
    )


def rank(histogram: Histogram, value: float) -> float:
    """The share of rows below `value`, in [0, 1], taking rows as spread evenly inside a bin."""
    total = sum(histogram.counts)
    if total == 0:
        return 0.0
    below = 0.0
    for low, high, n in zip(histogram.edges, histogram.edges[1:], histogram.counts, strict=False):
        if value >= high:
            below += n
        elif value > low:
            below += n * (value - low) / (high - low)
    return below / total


def distribution(histogram: Histogram, value: float) -> Distribution:
    """The histogram on an even axis that also reaches `value`; the bin that holds it is marked."""
    edges, counts = histogram.edges, histogram.counts
    low, high = min(edges[0], value), max(edges[-1], value)
    scale = _scale(low, high)
    # Bins may differ in width: heights are densities, so that areas can be compared.
    densities = [n / (b - a) if b > a else 0.0 for a, b, n in zip(edges, edges[1:], counts, strict=False)]
    top = max(densities, default=0.0) or 1.0
    bars = tuple(
        Bar(
            x=scale(a),
            y=100 - 100 * density / top,
            width=max(scale(b) - scale(a), 0.0),
            height=100 * density / top,
            is_marked=a <= value < b,
        )
        for a, b, density in zip(edges, edges[1:], densities, strict=False)
    )
    return Distribution(bars, scale(value), _ticks(low, high, is_share=False))


def line(
    points: Sequence[tuple[float, float]],
    *,
    current: tuple[float, float] | None,
    threshold: float | None,
    is_share: bool,
) -> Line:
    """The curve through `points` (sorted by x), with the current point and the threshold where it is in sight."""
    xs = [x for x, _ in points] + ([current[0]] if current else [])
    ys = [y for _, y in points] + ([current[1]] if current else []) + ([threshold] if threshold is not None else [])
    low, high = (0.0, min(1.0, max(ys) * 1.15 or 1.0)) if is_share else _padded(min(ys), max(ys))
    across, up = _scale(min(xs), max(xs)), _scale(low, high)
    path = " ".join(f"{'L' if i else 'M'}{across(x):.2f} {100 - up(y):.2f}" for i, (x, y) in enumerate(points))
    return Line(
        path=path,
        x_ticks=_ticks(min(xs), max(xs), is_share=False),
        y_ticks=tuple(Tick(100 - tick.at, tick.text) for tick in _ticks(low, high, is_share=is_share)),
        threshold=None if threshold is None else 100 - up(threshold),
        mark_x=across(current[0]) if current else None,
        mark_y=100 - up(current[1]) if current else None,
    )


def _padded(low: float, high: float) -> tuple[float, float]:
    room = (high - low) * 0.1 or abs(high) * 0.1 or 1.0
    return low - room, high + room


class _Linear:
    """Maps [low, high] to [0, 100]."""

    def __init__(self, low: float, high: float) -> None:
        self._low, self._span = low, high - low

    def __call__(self, value: float) -> float:
        return _inside(100 * (value - self._low) / self._span) if self._span > 0 else 50.0


def _scale(low: float, high: float) -> _Linear:
    return _Linear(low, high)


def _inside(at: float) -> float:
    return round(min(max(at, 0.0), 100.0), 2)


def _ticks(low: float, high: float, *, is_share: bool, about: int = 5) -> tuple[Tick, ...]:
    """Round numbers between `low` and `high`; the ends themselves if there is no round one."""
    raw = (high - low) / about
    if raw < sys.float_info.min:  # no range, or one so small that a step in it would be nothing
        return (Tick(50.0, percent(low) if is_share else short_number(low)),)
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= raw)
    scale = _scale(low, high)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    values = [n * step for n in range(first, last + 1)]
    write = _share if is_share else short_number
    return tuple(Tick(scale(value), write(round(value, 12))) for value in values)


def _share(value: float) -> str:
    return f"{value * 100:.10g}%"
