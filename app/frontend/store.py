"""Results that wait to be downloaded: nameless temporary files, few, and not for long."""

import secrets
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Final

KEPT: Final = 6
KEPT_S: Final = 30 * 60


@dataclass(frozen=True)
class Stored:
    """A finished file and the name that a browser should save it under."""

    file: IO[bytes]
    name: str
    size_bytes: int
    expires_at_s: float


class ResultStore:
    """Keeps the last few results; the oldest goes first. The files have no name, so nothing stays after a crash."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._stored: dict[str, Stored] = {}

    @staticmethod
    def new_file() -> IO[bytes]:
        """A file to write a result into."""
        return tempfile.TemporaryFile()

    def add(self, file: IO[bytes], name: str) -> str:
        """Take over `file`; the answer is the token that it can be had for."""
        self._forget()
        while len(self._stored) >= KEPT:
            self._drop(next(iter(self._stored)))
        token = secrets.token_urlsafe(16)
        self._stored[token] = Stored(file, name, file.seek(0, 2), self._now_s() + KEPT_S)
        return token

    def get(self, token: str) -> Stored | None:
        """The result, or None if there is none (any more)."""
        self._forget()
        return self._stored.get(token)

    def close(self) -> None:
        """Forget everything."""
        for token in [*self._stored]:
            self._drop(token)

    def _forget(self) -> None:
        now_s = self._now_s()
        for token in [token for token, stored in self._stored.items() if stored.expires_at_s <= now_s]:
            self._drop(token)

    def _drop(self, token: str) -> None:
        self._stored.pop(token).file.close()
