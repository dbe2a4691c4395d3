"""API tokens: made, used, revoked. The token itself is shown once; what is kept is its SHA-256."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import update
from sqlmodel import col, select

from app.panel.audit.record import record
from app.panel.auth.problems import InvalidTokenRequestError, TokenNotFoundError
from app.panel.auth.tables import ApiToken
from app.panel.clock import Clock
from app.panel.db.engine import Database
from app.web.access import digest
from app.web.identity import TOKEN_SCOPES, Identity, role_to_make

PREFIX: Final = "mlp_"  # so that a leaked one is recognised as what it is
MAX_AGE: Final = timedelta(days=5 * 366)
MAX_NAME: Final = 64
TOUCH_EVERY: Final = timedelta(minutes=5)  # how often the use of a token is written


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made: the only time that `text`, the token itself, is known."""

    row: ApiToken
    text: str


class Tokens:
    """Thread-safe; tokens are found in memory. `on_change` is called after each change."""

    def __init__(self, db: Database, clock: Clock, on_change: Callable[[], None]) -> None:
        self._db = db
        self._clock = clock
        self._on_change = on_change
        self._lock = threading.Lock()
        self._tokens: dict[str, ApiToken] = {}

    def load(self) -> None:
        """Read the tokens: after migrations, and when they were changed together with their owner."""
        with self._lock, self._db.read() as session:
            self._tokens = {row.digest: row for row in session.exec(select(ApiToken)).all()}

    def find(self, text: str) -> ApiToken | None:
        """Return the token `text`, or None where it is unknown, revoked or expired. Memory only."""
        with self._lock:
            row = self._tokens.get(digest(text))
        return row if row is not None and self._is_valid(row) else None

    def valid(self) -> list[ApiToken]:
        """Return the tokens that work now."""
        with self._lock:
            rows = list(self._tokens.values())
        return [row for row in rows if self._is_valid(row)]

    def all(self, owner: str | None = None) -> list[ApiToken]:
        """Return the tokens that were not revoked, of `owner` or of all, the newest first."""
        with self._lock:
            rows = [row for row in self._tokens.values() if row.revoked_at is None and owner in {None, row.owner}]
        return sorted(rows, key=lambda row: -(row.id or 0))

    def needs_touch(self, row: ApiToken) -> bool:
        """Return whether the use of a token is to be written, to one caller only."""
        now = self._clock.now()
        with self._lock:
            if row.last_used_at is not None and now - row.last_used_at <= TOUCH_EVERY:
                return False
            row.last_used_at = now
            return True

    def touch(self, row: ApiToken) -> None:
        """Write that a token was used. Waits for the disk; a disk that is full is no reason to refuse the request."""
        statement = update(ApiToken).where(col(ApiToken.id) == row.id).values(last_used_at=row.last_used_at)
        self._db.write_now_or_later(lambda tx: tx.exec(statement), "touch_token")

    def create(self, maker: Identity, name: str, scope: str, expires_at: datetime | None) -> NewToken:
        """Return a new token of `maker`. Raises InvalidTokenRequestError."""
        now = self._clock.now()
        name = name.strip()
        if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
            raise InvalidTokenRequestError("A token needs a name.", f"Use 1 to {MAX_NAME} printable characters.")
        if scope not in TOKEN_SCOPES:
            raise InvalidTokenRequestError("This is no scope.", f"Scopes are {', '.join(TOKEN_SCOPES)}.")
        needed = role_to_make(scope)
        if not maker.may(needed):
            raise InvalidTokenRequestError(
                f"Your role does not allow tokens of the scope {scope}.",
                "Choose a scope that is not above your own role.",
            )
        if expires_at is not None and not now < expires_at <= now + MAX_AGE:
            raise InvalidTokenRequestError(
                "The token would expire at a time that is not allowed.", "Choose a day within five years."
            )
        text = PREFIX + secrets.token_urlsafe(32)
        row = ApiToken(
            name=name, scope=scope, digest=digest(text), owner=maker.name, created_at=now, expires_at=expires_at
        )
        with self._db.write() as tx:
            tx.add(row)
            tx.flush()
            expires = None if expires_at is None else expires_at.isoformat()
            record(tx, now, "token.create", f"{row.id} {name}", after={"scope": scope, "expires_at": expires})
        with self._lock:
            self._tokens[row.digest] = row
        self._on_change()
        return NewToken(row, text)

    def revoke(self, id: int, owner: str | None = None) -> None:
        """Revoke a token, only one of `owner` where that is given. Raises TokenNotFoundError."""
        with self._lock:
            row = next((each for each in self._tokens.values() if each.id == id and each.revoked_at is None), None)
        if row is None or owner not in {None, row.owner}:
            raise TokenNotFoundError
        now = self._clock.now()
        with self._db.write() as tx:
            tx.exec(update(ApiToken).where(col(ApiToken.id) == id).values(revoked_at=now))
            record(tx, now, "token.revoke", f"{id} {row.name}", before={"scope": row.scope, "owner": row.owner})
        with self._lock:
            row.revoked_at = now
        self._on_change()

    def _is_valid(self, row: ApiToken) -> bool:
        return row.revoked_at is None and (row.expires_at is None or self._clock.now() < row.expires_at)
