"""Round ticks of an axis: multiples of 1, 2, 2.5 or 5 times a power of ten."""

import math
import sys
from typing import Final

_MULTIPLES: Final = (1, 2, 2.5, 5, 10)


def ticks_around(low: float, high: float, count: int = 5) -> list[float]:
    """Return about `count` round ticks, the first at or below `low` and the last at or above `high` (low < high)."""
    step = _step(low, high, count)
    return [k * step for k in range(math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9) + 1)]


def ticks_within(low: float, high: float, count: int = 5) -> list[float]:
    """Return at most about `count` round ticks in [low, high]; `low` alone where there is no range to divide."""
    if (high - low) / count < sys.float_info.min:
        return [low]
    step = _step(low, high, count)
    return [k * step for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _step(low: float, high: float, count: int) -> float:
    rough = (high - low) / count
    unit = 10.0 ** math.floor(math.log10(rough))
    return next(unit * multiple for multiple in _MULTIPLES if unit * multiple >= rough * 0.999)
