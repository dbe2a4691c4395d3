"""Features of a date, inside the preparation graph: from the text `YYYY-MM-DDThh:mm:ss` to numbers.

Days are counted with the civil calendar's formula (Howard Hinnant, "chrono-compatible low-level date algorithms"), in float64
and exact; the year begins in March there, so that the leap day is the last one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import pi
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from pipeline.core.manifest import CATEGORICAL_INPUT

# In the order in which they stand in the graph's output.
PARTS: Final = ("year", "month", "day", "weekday", "day of year", "hour", "days")
# Parts that begin again after so many units: a linear model needs them as points of a circle.
CYCLES: Final = {"month": 12, "weekday": 7, "day of year": 365.25, "hour": 24}
_ISO_PATTERN: Final = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}"  # whatever else a caller of the graph sends is missing
_PLACEHOLDER: Final = "1970-01-01T00:00:00"  # instead of a missing date, while its characters are cast to numbers
_EPOCH: Final = 719_468  # days from March 1st of the year 0 to 1970-01-01
_DAYS_OF_ERA: Final = 146_097  # in 400 years


class GraphWriter(Protocol):
    """What of the preparation graph's writer the features of dates need."""

    def node(self, kind: str, *inputs: str) -> str:
        """Add a node and return the name of its output."""

    def matches(self, text: str, pattern: str) -> str:
        """Add whether texts match a pattern."""

    def split(self, text: str, delimiter: str) -> tuple[str, str]:
        """Add the parts of texts [n] as [n, parts], and their numbers [n]."""

    def flat(self, column: str) -> str:
        """Add a column [n, 1] as [n]."""

    def cast(self, name: str, to: int) -> str:
        """Add a cast."""

    def columns(self, name: str, positions: Sequence[int]) -> str:
        """Add the columns at these positions."""

    def joined(self, names: Sequence[str]) -> str:
        """Add columns side by side."""

    def tensor(self, values: npt.NDArray[np.generic]) -> str:
        """Add a constant."""

    def constant(self, value: float) -> str:
        """Add a float64 constant [1, 1]."""


@dataclass(frozen=True)
class DateFit:
    """The features of a date column: which of PARTS, whether also as points of circles, and the day that `days` counts from.

    `place` is the column's position in the graph's text input.
    """

    name: str
    place: int
    parts: tuple[str, ...] = PARTS
    cyclic: bool = False
    first_day: int = 0  # since 1970-01-01

    @property
    def outputs(self) -> list[str]:
        """Return the names of the output columns."""
        names = [f"{self.name} ({part})" for part in self.parts]
        if self.cyclic:
            names += [
                f"{self.name} ({part}, {wave})" for part in self.parts if part in CYCLES for wave in ("sine", "cosine")
            ]
        return names


def add_dates(writer: GraphWriter, fits: Sequence[DateFit]) -> list[str]:
    """Add the features of the dates, and the days between each two of them if there are two or three; float32 [n, k] each,
    NaN where a date is missing.
    """
    blocks, elapsed = [], []
    for fit in fits:
        block, days = _add_date(writer, fit)
        blocks.append(block)
        elapsed.append(days)
    if len(fits) in {2, 3}:
        blocks += [
            writer.cast(writer.node("Sub", elapsed[j], elapsed[i]), TensorProto.FLOAT)
            for i in range(len(fits))
            for j in range(i + 1, len(fits))
        ]
    return blocks


def difference_names(fits: Sequence[DateFit]) -> list[tuple[str, list[str]]]:
    """Return the name of each difference that `add_dates` adds, and the two columns that it is made from."""
    if len(fits) not in {2, 3}:
        return []
    names = [fit.name for fit in fits]
    return [
        (f"{names[j]} - {names[i]} (days)", [names[i], names[j]])
        for i in range(len(names))
        for j in range(i + 1, len(names))
    ]


def _add_date(writer: GraphWriter, fit: DateFit) -> tuple[str, str]:
    """Return the columns of one date, and its days since 1970 in float64 [n, 1]; NaN where it is missing."""
    texts = writer.columns(CATEGORICAL_INPUT, [fit.place])
    missing = writer.node("Not", writer.matches(texts, _ISO_PATTERN))
    filled = writer.node("Where", missing, writer.tensor(np.array([[_PLACEHOLDER]], dtype=object)), texts)
    halves, _ = writer.split(writer.flat(filled), "T")
    date = _numbers(writer, halves, 0, "-")
    time = _numbers(writer, halves, 1, ":")
    year, month, day = (writer.columns(date, [i]) for i in range(3))
    hours, minutes, seconds = (writer.columns(time, [i]) for i in range(3))
    c = writer.constant

    def add(a: str, b: str) -> str:
        return writer.node("Add", a, b)

    def sub(a: str, b: str) -> str:
        return writer.node("Sub", a, b)

    def mul(a: str, by: float) -> str:
        return writer.node("Mul", a, c(by))

    def div(a: str, by: float) -> str:
        return writer.node("Div", a, c(by))

    days = _days(writer, year, month, day)
    new_year = _days(writer, year, c(1), c(1))
    weekday = add(days, c(3))
    weekday = sub(weekday, mul(writer.node("Floor", div(weekday, 7)), 7))
    hour = add(hours, add(div(minutes, 60), div(seconds, 3600)))
    exact = add(days, div(hour, 24))
    by_name = {
        "year": year,
        "month": month,
        "day": day,
        "weekday": weekday,
        "day of year": add(sub(days, new_year), c(1)),
        "hour": hour,
        "days": sub(exact, c(fit.first_day)),
    }
    chosen = [by_name[part] for part in fit.parts]
    if fit.cyclic:
        for part in fit.parts:
            if part in CYCLES:
                angle = mul(by_name[part], 2 * pi / CYCLES[part])
                # Sine and cosine are float32 in the runtime.
                narrow = writer.cast(angle, TensorProto.FLOAT)
                chosen += [writer.cast(writer.node(wave, narrow), TensorProto.DOUBLE) for wave in ("Sin", "Cos")]
    nan = c(float("nan"))
    block = writer.node("Where", missing, nan, writer.joined(chosen))
    return writer.cast(block, TensorProto.FLOAT), writer.node("Where", missing, nan, exact)


def _numbers(writer: GraphWriter, halves: str, half: int, delimiter: str) -> str:
    """Return the numbers in one half of the texts, float64 [n, 3]."""
    numbers, _ = writer.split(writer.flat(writer.columns(halves, [half])), delimiter)
    return writer.cast(numbers, TensorProto.DOUBLE)


def _days(writer: GraphWriter, year: str, month: str, day: str) -> str:
    """Return the days since 1970-01-01, float64 [n, 1]."""
    c: Callable[[float], str] = writer.constant

    def floor_div(name: str, by: float) -> str:
        return writer.node("Floor", writer.node("Div", name, c(by)))

    def plus(name: str, more: str) -> str:
        return writer.node("Add", name, more)

    # January and February belong to the year before.
    is_late = floor_div(plus(month, c(9)), 12)  # 1 from March on
    year = plus(year, plus(is_late, c(-1)))
    month = plus(month, writer.node("Sub", c(9), writer.node("Mul", is_late, c(12))))
    era = floor_div(year, 400)
    year_of_era = writer.node("Sub", year, writer.node("Mul", era, c(400)))
    of_month = floor_div(plus(writer.node("Mul", month, c(153)), c(2)), 5)
    day_of_year = plus(plus(of_month, day), c(-1))
    leap_days = writer.node("Sub", floor_div(year_of_era, 4), floor_div(year_of_era, 100))
    day_of_era = plus(plus(writer.node("Mul", year_of_era, c(365)), leap_days), day_of_year)
    return plus(plus(writer.node("Mul", era, c(_DAYS_OF_ERA)), day_of_era), c(-_EPOCH))
