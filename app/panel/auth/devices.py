"""Browsers that are known: a password from one is checked without waiting for the guesses of others."""

import secrets
from datetime import timedelta
from typing import Final

from sqlmodel import col, delete

from app.panel.auth.tables import KnownDevice
from app.panel.clock import Clock
from app.panel.db.engine import Database
from app.web.access import digest

MAX_AGE: Final = timedelta(days=365)


class Devices:
    """Sync and thread-safe."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def find(self, token: str, user: str) -> str:
        """Return the digest of the browser with this token if `user` has logged in there within a year, else ""."""
        if not token:
            return ""
        with self._db.read() as session:
            row = session.get(KnownDevice, digest(token))
        is_known = row is not None and row.user == user and self._clock.now() - row.seen_at < MAX_AGE
        return row.digest if row is not None and is_known else ""

    def remember(self, token: str, user: str) -> str:
        """Return the token of the browser in which `user` has just logged in: `token` if it is known, else a new one."""
        known, now = self.find(token, user), self._clock.now()
        token = token if known else secrets.token_urlsafe(32)
        with self._db.write() as tx:
            tx.exec(delete(KnownDevice).where(col(KnownDevice.seen_at) < now - MAX_AGE))
            tx.merge(KnownDevice(digest=digest(token), user=user, seen_at=now))
        return token
