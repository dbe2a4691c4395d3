"""How fast one may guess: some tries are free, then each failure costs a longer wait. Pure but for its memory."""

from dataclasses import dataclass
from typing import Final

FREE_TRIES: Final = 5
FREE_TRIES_OF_ALL: Final = 50
LONGEST_WAIT_S: Final = 30.0
FORGET_AFTER_S: Final = 900.0
# Bounds the memory that a crowd of addresses can take.
MOST_ADDRESSES: Final = 1000


@dataclass
class _Failures:
    count: int
    last_s: float


class Attempts:
    """Counts failed logins per address and in all. Times are monotonic seconds, given by the caller."""

    def __init__(self) -> None:
        self._failures: dict[str, _Failures] = {}

    def wait_s(self, address: str, now_s: float) -> float:
        """Seconds until `address` may try again; 0 if it may now."""
        return max(self._wait(address, FREE_TRIES, now_s), self._wait("", FREE_TRIES_OF_ALL, now_s))

    def failed(self, address: str, now_s: float) -> None:
        """Remember a wrong guess."""
        if len(self._failures) >= MOST_ADDRESSES:
            self._failures = {a: f for a, f in self._failures.items() if a == "" or now_s - f.last_s < LONGEST_WAIT_S}
        for key in (address, ""):
            known = self._failures.get(key)
            is_recent = known is not None and now_s - known.last_s < FORGET_AFTER_S
            self._failures[key] = _Failures(known.count + 1 if known and is_recent else 1, now_s)

    def succeeded(self, address: str) -> None:
        """A right guess clears its address."""
        self._failures.pop(address, None)

    def _wait(self, key: str, free: int, now_s: float) -> float:
        known = self._failures.get(key)
        if known is None or known.count < free or now_s - known.last_s >= FORGET_AFTER_S:
            return 0.0
        wait_s = min(2.0 ** min(known.count - free, 10), LONGEST_WAIT_S)
        return max(0.0, known.last_s + wait_s - now_s)
