"""How many threads training uses."""

from contextlib import AbstractContextManager
from typing import Any, Final

import numpy.typing as npt
from joblib import cpu_count
from threadpoolctl import threadpool_limits

SMALL: Final = 200_000  # values; below, threads wait for each other longer than they work


def spare_cores() -> int:
    """Threads that training uses: all cores but one, which is left to those who serve.

    It is quicker, too, where something else runs: threads that meet at a barrier wait for the one that is held up.
    """
    return max(1, int(cpu_count()) - 1)


def few_threads(X: npt.NDArray[Any], *, ordered: bool) -> AbstractContextManager[object]:
    """While it is open, numerical libraries use one thread if `X` is small or sums must be `ordered` (equal to the last
    bit whatever the number of cores is), else `spare_cores()`.
    """
    limits: AbstractContextManager[object] = threadpool_limits(1 if ordered or X.size <= SMALL else spare_cores())
    return limits
