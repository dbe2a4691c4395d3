"""Records refused logins, tokens and requests in the audit, without letting a stranger fill the disk with them."""

import logging
import threading
from typing import Final

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from app.panel.audit.actor import Actor
from app.panel.audit.record import record
from app.panel.clock import Clock
from app.panel.db.engine import Database

OF_CLIENT: Final = RateLimitItemPerMinute(10)
OF_ALL: Final = RateLimitItemPerMinute(60)

log = logging.getLogger(__name__)


class Refusals:
    """Thread-safe. What is over the limits of a minute is counted, and the next row says how many there were."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._lock = threading.Lock()
        self._n_omitted = 0

    def record(self, action: str, target: str, address: str, reason: str, *, actor: Actor | None = None) -> None:
        """Record that `action` was refused to `actor`, None for somebody unknown; never raises for the database."""
        log.warning("action=%s result=refused address=%s reason=%s", action, address, reason)
        with self._lock:
            if not (self._limiter.hit(OF_CLIENT, address) and self._limiter.hit(OF_ALL, "all")):
                self._n_omitted += 1
                return
            n_omitted, self._n_omitted = self._n_omitted, 0
        detail = f"{reason} {n_omitted} more before this one are not listed." if n_omitted else reason
        who, now = actor or Actor("", "", address), self._clock.now()
        self._db.write_now_or_later(
            lambda tx: record(tx, now, action, target, outcome="refused", detail=detail, actor=who), "record_refusal"
        )
