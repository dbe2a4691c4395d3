"""The axes of a figure: their range, ticks and labels. Stdlib only."""

from dataclasses import dataclass

from pipeline.core.figures.ticks import ticks_around


@dataclass(frozen=True)
class Axis:
    """One direction: the values at both ends, the ticks with their labels, and the axis title `label`."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    label: str = ""

    def place(self, value: float, start: float, end: float) -> float:
        """Return where `value` lies between the coordinates `start` and `end`; values outside lie at the nearer end."""
        part = (value - self.low) / (self.high - self.low)
        return start + (end - start) * min(max(part, 0.0), 1.0)


def share_axis(label: str) -> Axis:
    """Return an axis from 0 to 1."""
    return Axis(0.0, 1.0, tuple((t, f"{t:g}") for t in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)), label)


def round_axis(low: float, high: float, label: str, count: int = 5) -> Axis:
    """Return an axis around [low, high] that ends on round ticks, about `count` of them."""
    if high <= low:
        low, high = low - 0.5, high + 0.5
    ticks = ticks_around(low, high, count)
    return Axis(ticks[0], ticks[-1], tuple((t, axis_number(t)) for t in ticks), label)


def axis_number(value: float) -> str:
    """Return a number for an axis or a bar: 1.5k, 20M, 0.05."""
    size = abs(value)
    if size < 1e-12:
        return "0"
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= limit:
            unit = {"G": 1e9, "M": 1e6, "k": 1e3}[suffix]
            return f"{value / unit:.3g}{suffix}"
    return f"{value:.3g}" if size >= 1e-4 else f"{value:.0e}"
