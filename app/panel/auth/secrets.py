"""Secrets from settings, checked once at start, so that a weak one never protects anything."""

from typing import Final

from app.panel.auth.passwords import is_strong_password, is_strong_token
from app.panel.auth.problems import WeakPasswordError, WeakTokenError
from app.panel.settings import Settings
from pipeline.core.settings import read_secret

ADMIN: Final = "admin"  # the user of the printed link and of PANEL_PASSWORD


def read_password(settings: Settings) -> str | None:
    """Return the password of PANEL_PASSWORD or its file, or None. Raises UnusableSecretError; see `check_password`."""
    return read_secret("PANEL_PASSWORD", settings.password, settings.password_file)


def check_password(password: str, user: str = ADMIN) -> None:
    """Raise WeakPasswordError for a password that is easily guessed. Takes 50 ms the first time."""
    if not is_strong_password(password, user):
        raise WeakPasswordError


def read_api_token(settings: Settings) -> str | None:
    """Return the bearer token of PANEL_API_TOKEN or its file, or None.

    Raises WeakTokenError for one that can be guessed, and UnusableSecretError.
    """
    text = read_secret("PANEL_API_TOKEN", settings.api_token, settings.api_token_file)
    if text is not None and not is_strong_token(text):
        raise WeakTokenError("PANEL_API_TOKEN")
    return text


def check_api_key(key: str) -> None:
    """Raise WeakTokenError for a key of the prediction API that can be guessed; "" is none, and passes."""
    if key and not is_strong_token(key):
        raise WeakTokenError("API_KEY")
