"""Sessions: browsers in which somebody has logged in, at the panel and from there at its services."""

import logging
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import or_, update
from sqlmodel import Session, col, delete, select

from app.panel.audit.record import record
from app.panel.auth.problems import SessionNotFoundError
from app.panel.auth.tables import LoginSession, ServiceSession
from app.panel.clock import Clock
from app.panel.db.engine import Database
from app.web.access import digest
from app.web.identity import Via

MAX_IDLE: Final = timedelta(minutes=30)
MAX_AGE: Final = timedelta(hours=12)
LONG_AGE: Final = timedelta(days=30)  # "stay logged in": neither idle nor 12 hours end it
TOUCH_EVERY: Final = timedelta(minutes=5)  # how often the use of a session is written, not with every request
MAX_AGENT: Final = 200

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a login comes from: its address, and what the browser calls itself."""

    address: str
    agent: str = ""


class Sessions:
    """Thread-safe; sessions are checked in memory. `on_change` is called after a change that services must know of."""

    def __init__(self, db: Database, clock: Clock, on_change: Callable[[], None]) -> None:
        self._db = db
        self._clock = clock
        self._on_change = on_change
        self._lock = threading.Lock()
        self._sessions: dict[str, LoginSession] = {}
        self._services: dict[str, ServiceSession] = {}

    def load(self) -> None:
        """Read the sessions that are valid. Those of a printed link ended with the panel that printed it."""
        now = self._clock.now()
        with self._db.write() as tx:
            links = select(LoginSession.digest).where(LoginSession.via == "link")
            tx.exec(delete(ServiceSession).where(col(ServiceSession.parent).in_(links)))
            tx.exec(delete(LoginSession).where(col(LoginSession.via) == "link"))
            _delete_expired(tx, now)
            sessions = tx.exec(select(LoginSession)).all()
            services = tx.exec(select(ServiceSession)).all()
            with self._lock:
                self._sessions = {row.digest: LoginSession(**row.model_dump()) for row in sessions}
                self._services = {row.digest: ServiceSession(**row.model_dump()) for row in services}

    def find(self, token: str) -> LoginSession | None:
        """Return the session that the cookie `token` stands for, or None. Memory only."""
        now = self._clock.now()
        with self._lock:
            session = self._sessions.get(digest(token))
            return session if session is not None and not is_expired(session, now) else None

    def all(self, user: str | None = None) -> list[LoginSession]:
        """Return the sessions of `user`, or of all, the one that was used last first."""
        now = self._clock.now()
        with self._lock:
            rows = [each for each in self._sessions.values() if user in {None, each.user} and not is_expired(each, now)]
        return sorted(rows, key=lambda row: row.seen_at, reverse=True)

    def service_sessions(self) -> list[ServiceSession]:
        """Return the sessions at services that have not expired."""
        now = self._clock.now()
        with self._lock:
            return [each for each in self._services.values() if now < each.expires_at]

    def create(self, tx: Session, user: str, via: Via, browser: Browser, *, is_long: bool = False) -> str:
        """Return the token of a new session, written in the transaction `tx`; call `keep` after it."""
        token = secrets.token_urlsafe(32)
        now = self._clock.now()
        _delete_expired(tx, now)
        tx.add(
            LoginSession(
                digest=digest(token),
                user=user,
                via=via,
                created_at=now,
                seen_at=now,
                is_long=is_long,
                address=browser.address,
                agent=browser.agent[:MAX_AGENT],
            )
        )
        return token

    def keep(self, token: str) -> None:
        """Remember a session that has just been committed."""
        now = self._clock.now()
        with self._db.read() as session:
            row = session.get(LoginSession, digest(token))
        with self._lock:
            # A script may log in each minute for a year.
            self._sessions = {key: each for key, each in self._sessions.items() if not is_expired(each, now)}
            self._services = {key: each for key, each in self._services.items() if now < each.expires_at}
            if row is not None:
                self._sessions[row.digest] = row

    def grant(self, session: LoginSession, service: str, service_digest: str) -> None:
        """Let the browser of `session` in at a service, until the session ends."""
        now = self._clock.now()
        row = ServiceSession(
            digest=service_digest,
            parent=session.digest,
            service=service,
            user=session.user,
            created_at=now,
            expires_at=session.created_at + max_age(is_long=session.is_long),
        )
        with self._db.write() as tx:
            tx.add(row)
            record(tx, now, "session.open_service", service)
        with self._lock:
            self._services[row.digest] = row
        self._on_change()

    def needs_touch(self, session: LoginSession) -> bool:
        """Return whether the use of a session is to be written again, to one caller only. Memory only."""
        now = self._clock.now()
        with self._lock:
            if now - session.seen_at <= TOUCH_EVERY:
                return False
            session.seen_at = now
            return True

    def touch(self, session: LoginSession) -> None:
        """Write that the session is in use, so that it survives a restart. Waits for the disk.

        A full disk must not close the pages that report it: what cannot be written now is written later.
        """
        # Not a merge: a session that has been logged out meanwhile must not come back.
        is_it = col(LoginSession.digest) == session.digest
        self._db.write_now_or_later(
            lambda tx: tx.exec(update(LoginSession).where(is_it).values(seen_at=session.seen_at)), "touch_session"
        )

    def end(self, session_digest: str, action: str, user: str | None = None) -> None:
        """End a session, only one of `user` where that is given. Raises SessionNotFoundError."""
        with self._lock:
            session = self._sessions.get(session_digest)
        if session is None or user not in {None, session.user}:
            raise SessionNotFoundError
        with self._db.write() as tx:
            tx.exec(delete(LoginSession).where(col(LoginSession.digest) == session_digest))
            tx.exec(delete(ServiceSession).where(col(ServiceSession.parent) == session_digest))
            record(tx, self._clock.now(), action, f"{session.user} {session_digest[:8]}")
        self._forget(lambda key, _: key == session_digest)

    def end_all(self, user: str, *, but: str = "", action: str = "session.end_all") -> None:
        """End all sessions of a user, `but` the one with this digest; also those that an earlier start left behind.

        `action` is how it is recorded; with "", it belongs to something that is recorded already.
        """
        with self._db.write() as tx:
            is_theirs = (col(LoginSession.user) == user) & (col(LoginSession.digest) != but)
            n_sessions = tx.connection().execute(delete(LoginSession).where(is_theirs)).rowcount
            is_theirs = (col(ServiceSession.user) == user) & (col(ServiceSession.parent) != but)
            tx.exec(delete(ServiceSession).where(is_theirs))
            if action and n_sessions:
                record(tx, self._clock.now(), action, user, before={"n_sessions": n_sessions})
        self._forget(lambda key, owner: owner == user and key != but)

    def _forget(self, is_over: Callable[[str, str], bool]) -> None:
        """Forget sessions by digest and user, and what was opened from them."""
        with self._lock:
            self._sessions = {key: each for key, each in self._sessions.items() if not is_over(key, each.user)}
            self._services = {key: each for key, each in self._services.items() if not is_over(each.parent, each.user)}
        self._on_change()


def max_age(*, is_long: bool) -> timedelta:
    """Return how old a session gets, however much it is used."""
    return LONG_AGE if is_long else MAX_AGE


def is_expired(session: LoginSession, now: datetime) -> bool:
    """Return whether a session is over: 30 min without use or 12 h old, or 30 days where somebody stays logged in."""
    is_idle = not session.is_long and now - session.seen_at > MAX_IDLE
    return is_idle or now - session.created_at > max_age(is_long=session.is_long)


def _delete_expired(tx: Session, now: datetime) -> None:
    is_short_over = or_(col(LoginSession.seen_at) < now - MAX_IDLE, col(LoginSession.created_at) < now - MAX_AGE)
    is_over = or_(
        col(LoginSession.is_long) & (col(LoginSession.created_at) < now - LONG_AGE),
        ~col(LoginSession.is_long) & is_short_over,
    )
    tx.exec(delete(LoginSession).where(is_over))
    tx.exec(delete(ServiceSession).where(col(ServiceSession.expires_at) < now))
