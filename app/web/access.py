"""The access list: who may use a service, as the panel has written it. Read by API, app and MLflow.

One file, replaced as a whole, with digests only: nothing in it opens anything. It is read when it has changed, so that
a session or token that the panel ends is refused at once, and services go on while the panel is away.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from app.web.identity import Identity, Role, Via

FILE: Final = "access.json"
# Which services take a token, by its scope. The panel takes those with a role (`ROLE_OF_SCOPE`).
SERVICES_OF_SCOPE: Final[Mapping[str, tuple[str, ...]]] = {
    "read": ("app",),
    "run": ("app",),
    "admin": ("app",),
    "predict": ("api",),
    "mlflow": ("mlflow",),
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TokenAccess:
    """A token that works at `services` until `expires_at`, in seconds since 1970; None: until it is revoked.

    What is sent to one service must not open another: each may be taken over, and reads what it is sent.
    """

    name: str
    services: tuple[str, ...]
    role: Role | None
    expires_at: float | None = None
    is_service: bool = False


@dataclass(frozen=True, slots=True)
class SessionAccess:
    """A browser that is let in at `service` until `expires_at`; unless `is_long`, only while it is used."""

    service: str
    user: str
    role: Role
    via: Via
    created_at: float
    expires_at: float
    is_long: bool


@dataclass(frozen=True, slots=True)
class Access:
    """The content of the file: tokens and sessions by their digest."""

    tokens: dict[str, TokenAccess] = field(default_factory=dict)
    sessions: dict[str, SessionAccess] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """Return the content of the file."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()


def digest(secret: str) -> str:
    """Return the SHA-256 of a random secret in hexadecimal digits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def session_digest(challenge: str, grant: str) -> str:
    """Return the digest of the session that a browser gets for its challenge (see `login_gate`) and the panel's grant."""
    return digest(f"{challenge}.{grant}")


class AccessList:
    """The list in the file at `path`; without a file nobody is let in. `now` returns seconds since 1970."""

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now
        self._stamp: tuple[int, int, int] | None = None
        self._access = Access()

    def token(self, text: str, service: str) -> TokenAccess | None:
        """Return the access of the token `text` at `service`; None where it is unknown, revoked, expired or for others."""
        entry = self._read().tokens.get(digest(text))
        if entry is None or service not in entry.services:
            return None
        return None if entry.expires_at is not None and self._now() >= entry.expires_at else entry

    def session(self, digest: str, service: str) -> SessionAccess | None:
        """Return the access of a session at `service`; None where it is unknown, ended or expired."""
        entry = self._read().sessions.get(digest)
        is_valid = entry is not None and entry.service == service and self._now() < entry.expires_at
        return entry if is_valid else None

    def _read(self) -> Access:
        try:
            status = os.stat(self._path)  # noqa: PTH116 - at each request
        except OSError:
            self._stamp, self._access = None, Access()
            return self._access
        stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
        if stamp != self._stamp:
            try:
                self._access = _parse(self._path.read_bytes())
            except (OSError, ValueError, TypeError, KeyError, AttributeError):
                log.exception("action=read_access_list path=%s", self._path)
                self._access = Access()
            self._stamp = stamp
        return self._access


def token_identity(entry: TokenAccess) -> Identity:
    """Return who the holder of a token is."""
    return Identity(entry.name, entry.role, "panel" if entry.is_service else "token", is_service=entry.is_service)


def _parse(content: bytes) -> Access:
    members = json.loads(content)
    return Access(
        {key: TokenAccess(**entry) for key, entry in members["tokens"].items()},
        {key: SessionAccess(**entry) for key, entry in members["sessions"].items()},
    )
