"""One measured figure, and how a section of the bench looks to `python -m bench`.

A section is a module of this package with `TITLE: str` and `measure() -> list[Row]`.
"""

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table. `goal` is empty where none was set; `met` is None where there is no goal."""

    what: str
    value: str
    goal: str = ""
    met: bool | None = None
    note: str = ""


def row(
    what: str, values: list[float], unit: str, *, below: float | None = None, above: float | None = None, note: str = ""
) -> Row:
    """Return the median of `values` as a row, with the spread in the note; `below` or `above` is the goal."""
    middle = median(values)
    goal = f"< {below:g} {unit}" if below is not None else f">= {above:g} {unit}" if above is not None else ""
    met = middle < below if below is not None else middle >= above if above is not None else None
    spread = f"{len(values)} x, {min(values):.3g} to {max(values):.3g}" if len(values) > 1 else ""
    return Row(
        what=what,
        value=f"{middle:.3g} {unit}".strip(),
        goal=goal,
        met=met,
        note="; ".join(p for p in (spread, note) if p),
    )
