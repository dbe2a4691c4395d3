"""Hashes passwords (argon2id) and judges how easily one is guessed (zxcvbn)."""

import threading
from functools import cache
from typing import Final

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from pipeline.core.product import NAME

MIN_LENGTH: Final = 8
MAX_LENGTH: Final = 1024
_JUDGED: Final = 72  # zxcvbn takes long for more; what follows can only make it stronger
# zxcvbn's scores: 3 is more than 10^8 guesses, years at one a second; 4 is more than 10^10.
MIN_SCORE_PASSWORD: Final = 3
MIN_SCORE_TOKEN: Final = 4
MIN_TOKEN_LENGTH: Final = 16
# What OWASP recommends for argon2id: 19 MiB, two passes.
_HASHER: Final = PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19_456, parallelism=1),))
_PARALLEL: Final = threading.BoundedSemaphore(2)  # bounds the memory and the cores that logins can take


def hash_password(password: str) -> str:
    """Return the argon2id hash, with its salt and cost. Takes some 50 ms and 19 MiB."""
    with _PARALLEL:
        return _HASHER.hash(password)


def verify_password(password: str, stored: str | None) -> bool:
    """Return whether `password` is the one that `stored` is the hash of; as slow for None, which no password matches."""
    with _PARALLEL:
        try:
            return _HASHER.verify(password[:MAX_LENGTH], stored or _nobody()) and stored is not None
        except Exception:  # noqa: BLE001 - a damaged hash lets nobody in
            return False


def is_strong_password(password: str, *user_inputs: str) -> bool:
    """Return whether a password is hard to guess, by what it is made of: length alone does not count.

    `user_inputs` are words that a guesser would try for this user.
    """
    return MIN_LENGTH <= len(password) <= MAX_LENGTH and _score(password, *user_inputs) >= MIN_SCORE_PASSWORD


def is_strong_token(token: str) -> bool:
    """Return whether a bearer token cannot be guessed: 16 characters that look random."""
    return len(token) >= MIN_TOKEN_LENGTH and _score(token) >= MIN_SCORE_TOKEN


def _score(secret: str, *user_inputs: str) -> int:
    from zxcvbn import zxcvbn  # noqa: PLC0415  # its dictionaries take 50 ms and some MB, and most starts need none

    words = [NAME, *NAME.split("-"), "mlflow", *user_inputs]
    return int(zxcvbn(secret[:_JUDGED], user_inputs=words)["score"])


@cache
def _nobody() -> str:
    """Return a hash that is compared where there is none, so that the time tells nothing."""
    return _HASHER.hash("nobody")
