"""A small SVG figure: lines, bars, points and cells on two axes. Pure text, stdlib only.

A figure is 420 x 280 units. Every coordinate has at most one decimal, so that files stay small and equal input gives
equal text. Names of columns and classes are escaped here and nowhere else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from xml.sax.saxutils import escape

from pipeline.core.figures.axis import Axis

WIDTH: Final = 420
HEIGHT: Final = 280
# Readable on white and on near-black, and distinguishable with red-green colour blindness.
COLOURS: Final = ("#2f7de1", "#e08a1e", "#1d9e75", "#c2539d")


@dataclass
class Figure:
    """Collects the parts of one plot; `svg()` is the text.

    `name` makes ids unique on a page that holds several plots. `description` is read by a screen reader.
    """

    name: str
    title: str
    description: str
    x: Axis
    y: Axis
    left: float = 52.0
    top: float = 34.0
    right: float = 406.0
    bottom: float = 236.0
    _parts: list[str] = field(default_factory=list)
    _legend: list[tuple[str, int]] = field(default_factory=list)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the coordinates of a point given in axis values."""
        return self.x.place(x, self.left, self.right), self.y.place(y, self.bottom, self.top)

    def axes(self, grid_x: bool = True, grid_y: bool = True) -> None:
        """Draw grid, ticks and labels; call it first, so that everything else lies above the grid."""
        for value, label in self.x.ticks:
            at = self.at(value, self.y.low)[0]
            if grid_x:
                self._line(at, self.top, at, self.bottom, 0.13)
            self.text(at, self.bottom + 16, label, anchor="middle", size=11, faint=True)
        for value, label in self.y.ticks:
            at = self.at(self.x.low, value)[1]
            if grid_y:
                self._line(self.left, at, self.right, at, 0.13)
            self.text(self.left - 8, at + 4, label, anchor="end", size=11, faint=True)
        self._line(self.left, self.bottom, self.right, self.bottom, 0.6)
        self.text((self.left + self.right) / 2, HEIGHT - 10, self.x.label, anchor="middle", size=12)
        if self.y.label:
            middle = (self.top + self.bottom) / 2
            self.upright(13, middle, self.y.label, size=12, faint=False)

    def line(
        self, xs: Sequence[float], ys: Sequence[float], series: int, label: str = "", *, fill: bool = False
    ) -> None:
        """Draw a curve; with `fill`, the area below it is tinted."""
        points = [self.at(x, y) for x, y in zip(xs, ys, strict=True)]
        path = "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in points)
        colour = COLOURS[series - 1]
        if fill:
            floor = _n(self.bottom)
            area = f"{path}L{_n(points[-1][0])} {floor}L{_n(points[0][0])} {floor}Z"
            self._parts.append(f'<path class="series-{series}" d="{area}" fill="{colour}" fill-opacity="0.12"/>')
        self._parts.append(
            f'<path class="series-{series}" d="{path}" fill="none" stroke="{colour}" stroke-width="2" '
            'stroke-linejoin="round" stroke-linecap="round"/>'
        )
        self._add_legend(label, series)

    def reference(self, x1: float, y1: float, x2: float, y2: float, label: str = "") -> None:
        """Draw a dashed line to compare with; its label stands at its left or upper end."""
        (left, low), (right, high) = self.at(x1, y1), self.at(x2, y2)
        self._parts.append(
            f'<line x1="{_n(left)}" y1="{_n(low)}" x2="{_n(right)}" y2="{_n(high)}" stroke="currentColor" '
            'stroke-opacity="0.55" stroke-dasharray="4 4"/>'
        )
        if not label:
            return
        if abs(right - left) < 1:
            near_end = right > (self.left + self.right) / 2
            self.text(
                right + (-6 if near_end else 6), self.top + 12, label, anchor="end" if near_end else "start", size=11
            )
        else:
            self.text(left + 6, low - 6, label, size=11, faint=True)

    def points(
        self, xs: Sequence[float], ys: Sequence[float], series: int, label: str = "", radius: float = 3.5
    ) -> None:
        """Draw dots."""
        for x, y in zip(xs, ys, strict=True):
            cx, cy = self.at(x, y)
            self._parts.append(
                f'<circle class="series-{series}" cx="{_n(cx)}" cy="{_n(cy)}" r="{radius:g}" '
                f'fill="{COLOURS[series - 1]}" fill-opacity="0.75"/>'
            )
        self._add_legend(label, series)

    def columns(self, edges: Sequence[float], heights: Sequence[float], series: int, label: str = "") -> None:
        """Draw the bars of a histogram, upwards from the bottom."""
        for low, high, height in zip(edges[:-1], edges[1:], heights, strict=True):
            (left, top), right = self.at(low, height), self.at(high, height)[0]
            if self.bottom - top >= 0.05:
                self._parts.append(
                    f'<rect class="series-{series}" x="{_n(left + 0.5)}" y="{_n(top)}" '
                    f'width="{_n(max(right - left - 1, 0.5))}" height="{_n(self.bottom - top)}" '
                    f'fill="{COLOURS[series - 1]}" fill-opacity="0.6"/>'
                )
        self._add_legend(label, series)

    def bar(self, value: float, top: float, thickness: float, series: int) -> float:
        """Draw a horizontal bar from 0 to `value` and return the x coordinate of its right end."""
        start, end = self.at(0.0, 0.0)[0], self.at(value, 0.0)[0]
        self._parts.append(
            f'<rect class="series-{series}" x="{_n(min(start, end))}" y="{_n(top)}" '
            f'width="{_n(max(abs(end - start), 1))}" height="{_n(thickness)}" rx="2" fill="{COLOURS[series - 1]}"/>'
        )
        return max(start, end)

    def cell(self, left: float, top: float, width: float, height: float, strength: float) -> None:
        """Draw a rectangle whose tint is `strength`, 0 to 1."""
        self._parts.append(
            f'<rect class="series-1" x="{_n(left)}" y="{_n(top)}" width="{_n(width)}" height="{_n(height)}" '
            f'fill="{COLOURS[0]}" fill-opacity="{0.06 + 0.64 * strength:.2f}"/>'
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        anchor: str = "start",
        size: float = 12,
        faint: bool = False,
        bold: bool = False,
    ) -> None:
        """Draw text at its baseline."""
        look = (' fill-opacity="0.75"' if faint else "") + (' font-weight="600"' if bold else "")
        self._parts.append(
            f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}" font-size="{size:g}" fill="currentColor"{look}>'
            f"{escape(text)}</text>"
        )

    def upright(self, x: float, y: float, text: str, *, size: float = 11, faint: bool = True) -> None:
        """Draw text that reads upwards, centred on the point."""
        look = ' fill-opacity="0.75"' if faint else ""
        self._parts.append(
            f'<text transform="translate({_n(x)} {_n(y)}) rotate(-90)" text-anchor="middle" font-size="{size:g}" '
            f'fill="currentColor"{look}>{escape(text)}</text>'
        )

    def svg(self) -> str:
        """Return the whole figure as one SVG element."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            f'aria-labelledby="plot-{self.name}-title plot-{self.name}-desc" '
            'font-family="system-ui, -apple-system, Segoe UI, sans-serif">'
            f'<title id="plot-{self.name}-title">{escape(self.title)}</title>'
            f'<desc id="plot-{self.name}-desc">{escape(self.description)}</desc>'
        )
        caption = (
            f'<text x="12" y="18" font-size="13" font-weight="600" fill="currentColor">{escape(self.title)}</text>'
        )
        return head + caption + "".join(self._parts) + self._legend_svg() + "</svg>\n"

    def _legend_svg(self) -> str:
        """Return the legend, right-aligned beside the title; "" for a single series."""
        if len(self._legend) < 2:
            return ""
        entries, x = [], self.right
        for label, series in reversed(self._legend):
            x -= 6.3 * len(label)
            entries.append(f'<text x="{_n(x)}" y="18" font-size="11" fill="currentColor">{escape(label)}</text>')
            x -= 14
            entries.append(f'<rect x="{_n(x)}" y="9" width="10" height="10" rx="2" fill="{COLOURS[series - 1]}"/>')
            x -= 12
        return "".join(entries)

    def _add_legend(self, label: str, series: int) -> None:
        if label:
            self._legend.append((clipped(label, 14), series))

    def _line(self, x1: float, y1: float, x2: float, y2: float, opacity: float) -> None:
        self._parts.append(
            f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}" stroke="currentColor" '
            f'stroke-opacity="{opacity:g}"/>'
        )


def clipped(text: str, length: int) -> str:
    """Return at most `length` characters, with an ellipsis where something was cut."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
