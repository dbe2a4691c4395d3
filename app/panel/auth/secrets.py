"""Secrets from settings, checked once at start, so that a weak one never protects anything."""

import hashlib
from typing import Final

from app.panel.auth.problems import ShortTokenError, WeakPasswordError
from app.panel.settings import Settings
from pipeline.core.settings import read_secret

MIN_PASSWORD_LENGTH: Final = 8
MIN_TOKEN_LENGTH: Final = 16
# Passwords that are tried first, among them the defaults of similar stacks.
# fmt: off
COMMON_PASSWORDS: Final = frozenset({
    "12345678", "123456789", "1234567890", "password", "password1", "passw0rd", "admin123", "administrator",
    "airflow1", "airflow123", "changeme", "changeit", "letmein1", "qwertyuiop", "qwerty123", "iloveyou",
    "11111111", "00000000", "ml-pipeline", "mlpipeline", "automated-ml-pipeline", "mlflow123", "postgres",
    "dockerdocker", "welcome1",
})
# fmt: on


def read_password(settings: Settings) -> str | None:
    """Return the password to log in with, or None. Raises WeakPasswordError for one that is easily guessed."""
    text = read_secret("PANEL_PASSWORD", settings.password, settings.password_file)
    if text is not None and (len(text) < MIN_PASSWORD_LENGTH or text.lower() in COMMON_PASSWORDS):
        raise WeakPasswordError(MIN_PASSWORD_LENGTH)
    return text


def read_api_token(settings: Settings) -> str | None:
    """Return the bearer token for scripts, or None. Raises ShortTokenError for one that can be guessed."""
    text = read_secret("PANEL_API_TOKEN", settings.api_token, settings.api_token_file)
    if text is not None and len(text) < MIN_TOKEN_LENGTH:
        raise ShortTokenError(MIN_TOKEN_LENGTH)
    return text


def derive_key(text: str | None) -> bytes:
    """Return 32 bytes derived from the password; slow (16 MB, about 50 ms), so that guessing is slow too.

    The salt is a constant because the result never leaves this process: it is compared, and it keys digests.
    """
    if text is None:
        return b""
    return hashlib.scrypt(text.encode(), salt=b"automated-ml-pipeline", n=2**14, r=8, p=1, dklen=32)
