"""Slows down guessing: some attempts are free, then each failure costs a longer wait. Pure but for its memory."""

from dataclasses import dataclass
from typing import Final

FREE_ATTEMPTS: Final = 5
FREE_ATTEMPTS_OVERALL: Final = 50
MAX_WAIT_S: Final = 30.0
FORGET_AFTER_S: Final = 900.0
MAX_ADDRESSES: Final = 1000  # bounds the memory that many addresses can take


@dataclass
class _Failures:
    count: int
    last_s: float


class LoginThrottle:
    """Counts failed logins by address and overall. Times are monotonic seconds, passed in by the caller."""

    def __init__(self) -> None:
        self._failures: dict[str, _Failures] = {}

    def wait_s(self, address: str, now_s: float) -> float:
        """Return the seconds until `address` may try again, 0 if it may now."""
        return max(self._wait(address, FREE_ATTEMPTS, now_s), self._wait("", FREE_ATTEMPTS_OVERALL, now_s))

    def record_failure(self, address: str, now_s: float) -> None:
        """Count a wrong password from `address`."""
        if len(self._failures) >= MAX_ADDRESSES:
            self._failures = {a: f for a, f in self._failures.items() if a == "" or now_s - f.last_s < MAX_WAIT_S}
        for key in (address, ""):
            failures = self._failures.get(key)
            is_recent = failures is not None and now_s - failures.last_s < FORGET_AFTER_S
            self._failures[key] = _Failures(failures.count + 1 if failures and is_recent else 1, now_s)

    def record_success(self, address: str) -> None:
        """Forget the failures of `address`."""
        self._failures.pop(address, None)

    def _wait(self, key: str, free: int, now_s: float) -> float:
        failures = self._failures.get(key)
        if failures is None or failures.count < free or now_s - failures.last_s >= FORGET_AFTER_S:
            return 0.0
        wait_s = min(2.0 ** min(failures.count - free, 10), MAX_WAIT_S)
        return max(0.0, failures.last_s + wait_s - now_s)
