"""Logging in and staying logged in.

There is no account and no default password. Without `PANEL_PASSWORD` each start of the panel makes a link; it works
until the panel stops, in as many browsers as it is opened in, so that closing a browser locks nobody out. A session
is an opaque token in a cookie; the database holds its keyed digest.
"""

import hashlib
import hmac
import logging
import math
import secrets as random
import threading
from datetime import datetime, timedelta
from typing import Final, NoReturn

from sqlalchemy import update
from sqlmodel import Session, col, delete, select

from app.panel.auth.secrets import api_token, password, password_key
from app.panel.auth.tables import LoginSession
from app.panel.auth.throttle import Attempts
from app.panel.clock import Clock
from app.panel.db.engine import Database
from app.panel.settings import Settings
from pipeline.core.problems import ProblemError

IDLE: Final = timedelta(hours=12)
LONGEST: Final = timedelta(days=7)
# A session that is in use is written this often, not with every request.
SEEN_EVERY: Final = timedelta(minutes=5)
CLI_TOKEN_FILE: Final = "cli-token"  # noqa: S105 - a file's name

log = logging.getLogger(__name__)


class Auth:
    """Knows the secrets and the sessions. Thread-safe; whether a session is one is known without the database."""

    def __init__(self, settings: Settings, db: Database, clock: Clock) -> None:
        self._settings = settings
        self._db = db
        self._clock = clock
        self._attempts = Attempts()
        self._lock = threading.Lock()
        self._guessing = threading.Lock()
        text = password(settings)
        self._key = password_key(text)
        self._link_token = None if text is not None else random.token_urlsafe(32)
        self._api_token = api_token(settings)
        self._sessions: dict[str, LoginSession] = {}
        self.cookie = f"panel_session_{settings.panel_port}"

    @property
    def takes_password(self) -> bool:
        """Whether people log in with a password rather than with the printed link."""
        return self._link_token is None

    def login_url(self) -> str:
        """What to print at start: the link that logs in, or the login page where there is a password."""
        host = self._settings.panel_host
        shown = "127.0.0.1" if host in {"0.0.0.0", "::", "localhost"} else host  # noqa: S104 - compared, not bound
        shown = f"[{shown}]" if ":" in shown else shown
        query = f"?token={self._link_token}" if self._link_token is not None else ""
        return f"http://{shown}:{self._settings.panel_port}/login{query}"

    def load(self) -> None:
        """Read the sessions that outlived a restart; forget the ones that are over. Called once, after migrations."""
        now = self._clock.now()
        with self._db.write() as tx:
            _forget_over(tx, now)
            rows = tx.exec(select(LoginSession)).all()
            kept = {row.digest: LoginSession(**row.model_dump()) for row in rows}
        with self._lock:
            self._sessions = kept

    def login_with_link(self, given: str, address: str) -> str:
        """A new session's token. Raises AUTH-02 for a wrong or old link.

        Nobody can guess it, so tries cost no waiting: a foreign page could make them in the owner's browser.
        """
        is_right = self._link_token is not None and hmac.compare_digest(given.encode(), self._link_token.encode())
        return self._begin(address) if is_right else self._refuse(self._old_link, address)

    def login_with_password(self, given: str, address: str) -> str:
        """A new session's token. Raises AUTH-03 for a wrong password, AUTH-04 after too many tries."""
        self._check_pace(address)
        # One at a time: guesses that come together would all be the first, and each takes 16 MB.
        with self._guessing:
            self._check_pace(address)
            is_right = bool(self._key) and hmac.compare_digest(password_key(given), self._key)
            with self._lock:
                if is_right:
                    self._attempts.succeeded(address)
                else:
                    self._attempts.failed(address, self._clock.monotonic())
        return self._begin(address) if is_right else self._refuse(self._wrong_password, address)

    def wait_s(self, address: str) -> float:
        """Seconds until a password from `address` is looked at again; 0 if it is now."""
        with self._lock:
            return self._attempts.wait_s(address, self._clock.monotonic())

    def is_session(self, token: str) -> bool:
        """Whether `token` belongs to a session that is not over. Memory only."""
        now = self._clock.now()
        with self._lock:
            session = self._sessions.get(self._digest(token))
            return session is not None and not _is_over(session, now)

    def is_use_due(self, token: str) -> bool:
        """Whether the use of a session is to be noted again, by the one caller that is told so. Memory only."""
        now = self._clock.now()
        with self._lock:
            session = self._sessions.get(self._digest(token))
            if session is None or now - session.seen_at <= SEEN_EVERY:
                return False
            session.seen_at = now
            return True

    def note_use(self, token: str) -> None:
        """Write down that the session is in use, so that it outlives a restart. Waits for the disk."""
        digest, now = self._digest(token), self._clock.now()
        try:
            with self._db.write() as tx:
                # Not a merge: a session that has been logged out meanwhile must not come back.
                tx.exec(update(LoginSession).where(col(LoginSession.digest) == digest).values(seen_at=now))
        except ProblemError as problem:
            # A full disk must not close the pages that say so; the next write is tried in a few minutes.
            log.warning("action=keep_session result=failed problem=%s", problem)

    def is_api_token(self, given: str) -> bool:
        """Whether `given` is the configured token or the one that the command line reads from the state folder."""
        try:
            own = (self._settings.state_dir / CLI_TOKEN_FILE).read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            own = ""
        known = [token for token in (self._api_token, own) if token]
        return any(hmac.compare_digest(token.encode(), given.encode()) for token in known)

    def logout(self, token: str) -> None:
        """End the session; an unknown token is success."""
        digest = self._digest(token)
        with self._lock:
            self._sessions.pop(digest, None)
        with self._db.write() as tx:
            tx.exec(delete(LoginSession).where(col(LoginSession.digest) == digest))

    def _begin(self, address: str) -> str:
        token = random.token_urlsafe(32)
        now = self._clock.now()
        session = LoginSession(digest=self._digest(token), created_at=now, seen_at=now)
        with self._db.write() as tx:
            _forget_over(tx, now)
            tx.add(LoginSession(**session.model_dump()))
        with self._lock:
            # A script may log in each minute for a year.
            self._sessions = {key: each for key, each in self._sessions.items() if not _is_over(each, now)}
            self._sessions[session.digest] = session
        log.info("action=login result=ok address=%s", address)
        return token

    def _refuse(self, problem: ProblemError, address: str) -> NoReturn:
        log.warning("action=login result=refused address=%s id=%s", address, problem.id)
        raise problem

    def _check_pace(self, address: str) -> None:
        wait_s = self.wait_s(address)
        if wait_s > 0:
            raise ProblemError(
                "AUTH-04",
                "Too many failed logins.",
                why="Guessing is slowed down on purpose.",
                fix=f"Wait {math.ceil(wait_s)} s and try again.",
                retryable=True,
                status=429,
            )

    def _digest(self, token: str) -> str:
        return hmac.new(self._key, token.encode(), hashlib.sha256).hexdigest()

    @property
    def _old_link(self) -> ProblemError:
        return ProblemError(
            "AUTH-02",
            "This login link does not work.",
            why="The panel takes a password instead."
            if self.takes_password
            else "Each start of the panel makes a new link; this one is from before, or incomplete.",
            fix="Enter the password."
            if self.takes_password
            else "Open the link that the panel printed when it started last.",
            status=401,
        )

    @property
    def _wrong_password(self) -> ProblemError:
        return ProblemError(
            "AUTH-03",
            "That is not the password." if self.takes_password else "This panel has no password.",
            why="" if self.takes_password else "It was started without PANEL_PASSWORD.",
            fix="It is in PANEL_PASSWORD, or in the file that PANEL_PASSWORD_FILE names, where the panel was started."
            if self.takes_password
            else "Open the login link that the panel printed when it started.",
            status=401,
        )


def _is_over(session: LoginSession, now: datetime) -> bool:
    return now - session.seen_at > IDLE or now - session.created_at > LONGEST


def _forget_over(tx: Session, now: datetime) -> None:
    over = (col(LoginSession.seen_at) < now - IDLE) | (col(LoginSession.created_at) < now - LONGEST)
    tx.exec(delete(LoginSession).where(over))
