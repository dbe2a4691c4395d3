"""Logging in and staying logged in.

There is no account and no default password. Without `PANEL_PASSWORD` each start of the panel makes a link; it works
until the panel stops, in as many browsers as it is opened in, so that closing a browser locks nobody out. A session
is an opaque token in a cookie; the database holds its keyed digest.
"""

import hashlib
import hmac
import logging
import secrets
import threading
from datetime import datetime, timedelta
from typing import Final, NoReturn

from sqlalchemy import update
from sqlmodel import Session, col, delete, select

from app.panel.auth.problems import InvalidLoginLinkError, TooManyLoginsError, WrongPasswordError
from app.panel.auth.secrets import derive_key, read_api_token, read_password
from app.panel.auth.tables import LoginSession
from app.panel.auth.throttle import LoginThrottle
from app.panel.clock import Clock
from app.panel.db.engine import Database
from app.panel.settings import Settings
from app.panel.startup import CLI_TOKEN_FILE
from pipeline.core.problems import ProblemError

MAX_IDLE: Final = timedelta(hours=12)
MAX_AGE: Final = timedelta(days=7)
TOUCH_EVERY: Final = timedelta(minutes=5)  # how often the use of a session is written, not with every request

log = logging.getLogger(__name__)


class Auth:
    """Holds the secrets and the sessions. Thread-safe; sessions are checked in memory, without the database."""

    def __init__(self, settings: Settings, db: Database, clock: Clock) -> None:
        self._settings = settings
        self._db = db
        self._clock = clock
        self._throttle = LoginThrottle()
        self._lock = threading.Lock()
        self._checking = threading.Lock()
        text = read_password(settings)
        self._key = derive_key(text)
        self._link_token = None if text is not None else secrets.token_urlsafe(32)
        self._api_token = read_api_token(settings)
        self._sessions: dict[str, LoginSession] = {}
        self.cookie = f"panel_session_{settings.panel_port}"

    @property
    def uses_password(self) -> bool:
        """Return True if people log in with a password rather than with the printed link."""
        return self._link_token is None

    def login_url(self) -> str:
        """Return the link that logs in, or the address of the login page where there is a password."""
        query = f"?token={self._link_token}" if self._link_token is not None else ""
        return f"{self._settings.panel_url}/login{query}"

    def load(self) -> None:
        """Read the sessions that are still valid and delete the expired ones. Called once, after migrations."""
        now = self._clock.now()
        with self._db.write() as tx:
            _delete_expired(tx, now)
            rows = tx.exec(select(LoginSession)).all()
            sessions = {row.digest: LoginSession(**row.model_dump()) for row in rows}
        with self._lock:
            self._sessions = sessions

    def login_with_link(self, token: str, address: str) -> str:
        """Return a new session's token. Raises InvalidLoginLinkError for a wrong or old link.

        Nobody can guess it, so attempts are not throttled: a foreign page could make them in the owner's browser.
        """
        is_right = self._link_token is not None and hmac.compare_digest(token.encode(), self._link_token.encode())
        if not is_right:
            self._refuse(InvalidLoginLinkError(uses_password=self.uses_password), address)
        return self._create_session(address)

    def login_with_password(self, entered: str, address: str) -> str:
        """Return a new session's token. Raises WrongPasswordError, or TooManyLoginsError after too many attempts."""
        self._check_throttle(address)
        # One at a time: simultaneous guesses would all count as the first one, and each takes 16 MB.
        with self._checking:
            self._check_throttle(address)
            is_right = bool(self._key) and hmac.compare_digest(derive_key(entered), self._key)
            with self._lock:
                if is_right:
                    self._throttle.record_success(address)
                else:
                    self._throttle.record_failure(address, self._clock.monotonic())
        if not is_right:
            self._refuse(WrongPasswordError(uses_password=self.uses_password), address)
        return self._create_session(address)

    def wait_s(self, address: str) -> float:
        """Return the seconds until a password from `address` is checked again, 0 if it is now."""
        with self._lock:
            return self._throttle.wait_s(address, self._clock.monotonic())

    def is_session(self, token: str) -> bool:
        """Return True if `token` belongs to a session that has not expired. Memory only."""
        now = self._clock.now()
        with self._lock:
            session = self._sessions.get(self._digest(token))
            return session is not None and not _is_expired(session, now)

    def needs_touch(self, token: str) -> bool:
        """Return True if the use of a session is to be written again, to one caller only. Memory only."""
        now = self._clock.now()
        with self._lock:
            session = self._sessions.get(self._digest(token))
            if session is None or now - session.seen_at <= TOUCH_EVERY:
                return False
            session.seen_at = now
            return True

    def touch(self, token: str) -> None:
        """Write that the session is in use, so that it survives a restart. Waits for the disk."""
        digest, now = self._digest(token), self._clock.now()
        try:
            with self._db.write() as tx:
                # Not a merge: a session that has been logged out meanwhile must not come back.
                tx.exec(update(LoginSession).where(col(LoginSession.digest) == digest).values(seen_at=now))
        except ProblemError as problem:
            # A full disk must not close the pages that report it; the next write is in a few minutes.
            log.warning("action=touch_session result=failed problem=%s", problem)

    def is_api_token(self, token: str) -> bool:
        """Return True for the configured token, and for the one that `ml-pipeline` reads from the state folder."""
        try:
            own = (self._settings.state_dir / CLI_TOKEN_FILE).read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            own = ""
        valid = [each for each in (self._api_token, own) if each]
        return any(hmac.compare_digest(each.encode(), token.encode()) for each in valid)

    def logout(self, token: str) -> None:
        """End the session; an unknown token is no error."""
        digest = self._digest(token)
        with self._lock:
            self._sessions.pop(digest, None)
        with self._db.write() as tx:
            tx.exec(delete(LoginSession).where(col(LoginSession.digest) == digest))

    def _create_session(self, address: str) -> str:
        token = secrets.token_urlsafe(32)
        now = self._clock.now()
        session = LoginSession(digest=self._digest(token), created_at=now, seen_at=now)
        with self._db.write() as tx:
            _delete_expired(tx, now)
            tx.add(LoginSession(**session.model_dump()))
        with self._lock:
            # A script may log in each minute for a year.
            self._sessions = {key: each for key, each in self._sessions.items() if not _is_expired(each, now)}
            self._sessions[session.digest] = session
        log.info("action=login result=ok address=%s", address)
        return token

    def _refuse(self, problem: ProblemError, address: str) -> NoReturn:
        log.warning("action=login result=refused address=%s id=%s", address, problem.id)
        raise problem

    def _check_throttle(self, address: str) -> None:
        wait_s = self.wait_s(address)
        if wait_s > 0:
            raise TooManyLoginsError(wait_s)

    def _digest(self, token: str) -> str:
        return hmac.new(self._key, token.encode(), hashlib.sha256).hexdigest()


def _is_expired(session: LoginSession, now: datetime) -> bool:
    return now - session.seen_at > MAX_IDLE or now - session.created_at > MAX_AGE


def _delete_expired(tx: Session, now: datetime) -> None:
    is_expired = (col(LoginSession.seen_at) < now - MAX_IDLE) | (col(LoginSession.created_at) < now - MAX_AGE)
    tx.exec(delete(LoginSession).where(is_expired))
