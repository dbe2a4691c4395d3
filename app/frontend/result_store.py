"""Results that wait to be downloaded: unnamed temporary files, few, and not for long."""

import secrets
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Final

MAX_RESULTS: Final = 6
RESULT_LIFETIME_S: Final = 30 * 60


@dataclass(frozen=True)
class StoredResult:
    """A finished file, the token that it can be fetched with and the name that a browser should save it under."""

    token: str
    file: IO[bytes]
    name: str
    size_bytes: int
    expires_at_s: float


class ResultStore:
    """Keeps the last few results; the oldest goes first. The files have no name, so nothing stays after a crash."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._stored: dict[str, StoredResult] = {}

    @staticmethod
    def new_file() -> IO[bytes]:
        """Return a file to write a result into; it has no name and goes when it is closed."""
        return tempfile.TemporaryFile()

    def add(self, file: IO[bytes], name: str) -> StoredResult:
        """Return the stored result; the store closes `file`."""
        self._drop_expired()
        while len(self._stored) >= MAX_RESULTS:
            self._drop(next(iter(self._stored)))
        token = secrets.token_urlsafe(16)
        stored = StoredResult(token, file, name, file.seek(0, 2), self._now_s() + RESULT_LIFETIME_S)
        self._stored[token] = stored
        return stored

    def get(self, token: str) -> StoredResult | None:
        """Return the result, or None if there is none or it has expired."""
        self._drop_expired()
        return self._stored.get(token)

    def close(self) -> None:
        """Drop all results."""
        for token in [*self._stored]:
            self._drop(token)

    def _drop_expired(self) -> None:
        now_s = self._now_s()
        for token in [token for token, stored in self._stored.items() if stored.expires_at_s <= now_s]:
            self._drop(token)

    def _drop(self, token: str) -> None:
        self._stored.pop(token).file.close()
