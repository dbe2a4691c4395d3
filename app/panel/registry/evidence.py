"""Judges a model that has just gone live by what the panel's own requests to it came to. Pure.

Nothing in here is anything that a stranger can cause. Processor time is the same however busy the API is; a request that
gets no answer says nothing, because a flood of others looks like that; and what others' requests came to counts only where
the API answers nobody without its key.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Literal

# A restart of the API, by a person or after a crash of its own, is not the model's fault; being away for so long is.
UNREADY_LIMIT_S: Final = 15.0
# One odd second decides nothing.
FAILURES_IN_A_ROW: Final = 3
SLOW_IN_A_ROW: Final = 5
MAX_SLOWDOWN: Final = 5.0
MIN_SLOW_S: Final = 0.025
MAX_ERROR_SHARE: Final = 0.01
MIN_ERRORS: Final = 3

ERRORS: Final = re.compile(r"^api_prediction_errors_total (\S+)$", re.MULTILINE)
ROWS: Final = re.compile(r"^api_rows_total (\S+)$", re.MULTILINE)

# "away": it says that it has no model, or nothing listens. "unknown": it is there, but gives no answer.
Presence = Literal["ready", "away", "unknown"]


@dataclass(frozen=True)
class Counters:
    """Counters of the API since it started: rows of live data, and requests with such rows that ended in a server error."""

    n_rows: float
    n_errors: float


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One look at the API, `at_s` (monotonic).

    `has_failed`: it answered the panel's own rows with a server error. `row_s`: the processor time that one of them
    took. Both are None where it gave no answer. `counters`: those of people who have the key.
    """

    at_s: float
    presence: Presence
    has_failed: bool | None = None
    row_s: float | None = None
    counters: Counters | None = None


def read_counters(metrics: str) -> Counters:
    """Return the counters in the Prometheus text of `/metrics`."""
    n_rows, n_errors = ROWS.search(metrics), ERRORS.search(metrics)
    return Counters(float(n_rows[1]) if n_rows else 0.0, float(n_errors[1]) if n_errors else 0.0)


def typical_s(rows_s: Sequence[float]) -> float | None:
    """Return the processor time of one row that is usual among `rows_s`; None where there is none."""
    return median(rows_s) if rows_s else None


class Evidence:
    """What the observations of one model say so far."""

    def __init__(self, *, earlier_s: float | None, counters: Counters | None, ready_at_s: float | None) -> None:
        """`earlier_s`: processor time of one row of the model before. `counters`: those of the API when this one went live.
        `ready_at_s` is None where the API may still be starting: it can only be away after it was there."""
        self._earlier_s = earlier_s
        self._counters = counters
        self._ready_at_s = ready_at_s
        self._n_failures = 0
        self._slow_s: list[float] = []

    def reason_after(self, seen: Observation) -> str:
        """Return the reason to roll back, or "" while all is well."""
        return self._absence(seen) or self._failure(seen) or self._slowness(seen) or self._errors(seen)

    def _absence(self, seen: Observation) -> str:
        if seen.presence == "away" and self._ready_at_s is not None:
            away_s = seen.at_s - self._ready_at_s
            if away_s >= UNREADY_LIMIT_S:
                return f"The prediction API has not been ready for {away_s:.0f} s since it went live."
        elif seen.presence == "ready" or self._ready_at_s is not None:
            self._ready_at_s = seen.at_s
        return ""

    def _failure(self, seen: Observation) -> str:
        if seen.has_failed is not None:
            self._n_failures = self._n_failures + 1 if seen.has_failed else 0
        if self._n_failures < FAILURES_IN_A_ROW:
            return ""
        return f"It answered the panel's own rows with a server error {self._n_failures} times in a row."

    def _slowness(self, seen: Observation) -> str:
        if seen.row_s is None or self._earlier_s is None:
            return ""
        is_slow = seen.row_s > max(MIN_SLOW_S, MAX_SLOWDOWN * self._earlier_s)
        self._slow_s = [*self._slow_s, seen.row_s] if is_slow else []
        if len(self._slow_s) < SLOW_IN_A_ROW:
            return ""
        return (
            f"One row takes {1000 * min(self._slow_s):.0f} ms of processor time or more, {len(self._slow_s)} times in a "
            f"row; with the model before it took {1000 * self._earlier_s:.1f} ms."
        )

    def _errors(self, seen: Observation) -> str:
        if seen.counters is None:
            return ""
        if self._counters is None:
            # Without a first reading the errors of the previous model would be blamed on this one.
            self._counters = seen.counters
        before = self._counters
        if seen.counters.n_rows < before.n_rows or seen.counters.n_errors < before.n_errors:
            before = Counters(0, 0)  # the API was restarted: its counters began again
        n_errors = seen.counters.n_errors - before.n_errors
        # At least one row of each such request could not be predicted, however many it had.
        n_rows = seen.counters.n_rows - before.n_rows + n_errors
        if n_errors < MIN_ERRORS or n_errors <= MAX_ERROR_SHARE * n_rows:
            return ""
        return f"{n_errors:.0f} requests since it went live ended in a server error; {n_rows - n_errors:.0f} rows were predicted."
