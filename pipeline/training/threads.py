"""The number of threads that training uses."""

from contextlib import AbstractContextManager
from typing import Any, Final

import numpy.typing as npt
from joblib import cpu_count
from threadpoolctl import threadpool_limits

MIN_VALUES: Final = 200_000  # in X; below, threads wait for each other longer than they work


def spare_cores() -> int:
    """Return the number of threads for training: all cores but one, which is left to serving.

    That is faster, too, where something else runs: threads that meet at a barrier wait for the one that is held up.
    """
    return max(1, int(cpu_count()) - 1)


def limit_threads(X: npt.NDArray[Any], *, ordered: bool) -> AbstractContextManager[object]:
    """Return a context in which numerical libraries use `spare_cores()` threads, or one.

    One if `X` is small, or if sums must be `ordered`: identical whatever the number of cores is.
    """
    limits: AbstractContextManager[object] = threadpool_limits(1 if ordered or X.size <= MIN_VALUES else spare_cores())
    return limits
