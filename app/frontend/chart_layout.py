"""Geometry of the prediction app's charts, in percent of the chart's box, so that text never scales with it. Pure.

x grows to the right and y downwards, as in SVG.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.web.charts import Bar
from app.web.formats import short_number
from pipeline.core.figures.ticks import ticks_within
from pipeline.core.manifest import Histogram


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where, in percent, and what is written there."""

    at: float
    text: str


@dataclass(frozen=True)
class Gauge:
    """A scale from 0 to 1 with the score on it; `threshold` is None for a model without one."""

    score: float
    threshold: float | None


@dataclass(frozen=True)
class Distribution:
    """A histogram with one value marked on it."""

    bars: tuple[Bar, ...]
    mark: float
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class CurveLine:
    """A curve over a numeric feature: `path` is an SVG path in a box of 100 x 100."""

    path: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    threshold: float | None
    mark_x: float | None
    mark_y: float | None


def layout_gauge(score: float, threshold: float | None) -> Gauge:
    """Return a probability and its threshold, in percent of the scale."""
    return Gauge(
        score=_clamp(score * 100),
        threshold=None if threshold is None else _clamp(threshold * 100),
    )


def rank_below(histogram: Histogram, value: float) -> float:
    """Return the share of rows below `value`, in [0, 1]; rows count as spread evenly inside a bin."""
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


def layout_distribution(histogram: Histogram, value: float) -> Distribution:
    """Return the histogram on a linear axis that also reaches `value`; the bin that holds it is marked."""
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


def layout_curve(
    points: Sequence[tuple[float, float]],
    *,
    current: tuple[float, float] | None,
    threshold: float | None,
    is_share: bool,
) -> CurveLine:
    """Return the curve through `points` (sorted by x), with the current point and the threshold."""
    xs = [x for x, _ in points] + ([current[0]] if current else [])
    ys = [y for _, y in points] + ([current[1]] if current else []) + ([threshold] if threshold is not None else [])
    low, high = (0.0, min(1.0, max(ys) * 1.15 or 1.0)) if is_share else _padded(min(ys), max(ys))
    across, up = _scale(min(xs), max(xs)), _scale(low, high)
    path = " ".join(f"{'L' if i else 'M'}{across(x):.2f} {100 - up(y):.2f}" for i, (x, y) in enumerate(points))
    return CurveLine(
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


def _scale(low: float, high: float) -> Callable[[float], float]:
    """Return the function that maps [low, high] to [0, 100]."""
    span = high - low
    return lambda value: _clamp(100 * (value - low) / span) if span > 0 else 50.0


def _clamp(at: float) -> float:
    return round(min(max(at, 0.0), 100.0), 2)


def _ticks(low: float, high: float, *, is_share: bool) -> tuple[Tick, ...]:
    scale = _scale(low, high)
    format_tick = _share_text if is_share else short_number
    return tuple(Tick(scale(value), format_tick(round(value, 12))) for value in ticks_within(low, high))


def _share_text(value: float) -> str:
    return f"{value * 100:.10g}%"
