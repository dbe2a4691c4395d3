"""Secrets from settings, checked once at start, so that a weak one never protects anything."""

import hashlib
from typing import Final

<<<<<<< HEAD
from pydantic import SecretStr

from app.panel.auth.problems import ShortTokenError, UnusableSecretError, WeakPasswordError
from app.panel.settings import Settings
=======
from app.panel.settings import Settings
from pipeline.core.problems import ProblemError
from pipeline.core.settings import read_secret
>>>>>>> 8f5b420 (refactor(core): read the settings of all three processes in one way)

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


def password(settings: Settings) -> str | None:
<<<<<<< HEAD
    """Return the password to log in with, or None. Raises WeakPasswordError for one that is easily guessed."""
    text = _secret("PANEL_PASSWORD", settings.password, settings.password_file)
    if text is not None and (len(text) < MIN_PASSWORD_LENGTH or text.lower() in COMMON_PASSWORDS):
        raise WeakPasswordError(MIN_PASSWORD_LENGTH)
=======
    """The password to log in with, or None. Raises ProblemError AUTH-05 if it guards nothing."""
    text = read_secret("PANEL_PASSWORD", settings.password, settings.password_file)
    if text is not None and (len(text) < SHORTEST_PASSWORD or text.lower() in KNOWN):
        raise ProblemError(
            "AUTH-05",
            "The panel's password is too weak.",
            why=f"It has fewer than {SHORTEST_PASSWORD} characters or is among the first that anybody tries.",
            fix="Set a longer one, or none: then a login link is printed at start.",
            command="""PANEL_PASSWORD="$(python3 -c 'import secrets; print(secrets.token_urlsafe(18))')" make run""",
        )
>>>>>>> 8f5b420 (refactor(core): read the settings of all three processes in one way)
    return text


def api_token(settings: Settings) -> str | None:
<<<<<<< HEAD
    """Return the bearer token for scripts, or None. Raises ShortTokenError for one that can be guessed."""
    text = _secret("PANEL_API_TOKEN", settings.api_token, settings.api_token_file)
    if text is not None and len(text) < MIN_TOKEN_LENGTH:
        raise ShortTokenError(MIN_TOKEN_LENGTH)
=======
    """The bearer token for scripts, or None. Raises ProblemError AUTH-06 if it can be guessed."""
    text = read_secret("PANEL_API_TOKEN", settings.api_token, settings.api_token_file)
    if text is not None and len(text) < SHORTEST_TOKEN:
        raise ProblemError(
            "AUTH-06",
            "The API token is too short.",
            why=f"A token has at least {SHORTEST_TOKEN} characters.",
            fix="Set PANEL_API_TOKEN to a random one.",
            command="python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
>>>>>>> 8f5b420 (refactor(core): read the settings of all three processes in one way)
    return text


def password_key(text: str | None) -> bytes:
    """Return 32 bytes derived from the password; slow (16 MB, about 50 ms), so that guessing is slow too.

    The salt is a constant because the result never leaves this process: it is compared, and it keys digests.
    """
    if text is None:
        return b""
    return hashlib.scrypt(text.encode(), salt=b"automated-ml-pipeline", n=2**14, r=8, p=1, dklen=32)
<<<<<<< HEAD


def _secret(name: str, value: SecretStr | None, file: Path | None) -> str | None:
    if file is not None:
        try:
            text = file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise UnusableSecretError.unreadable(name, file, reason) from error
    elif value is not None:
        text = value.get_secret_value().strip()
    else:
        return None
    if not text:
        raise UnusableSecretError.empty(name)
    return text
=======
>>>>>>> 8f5b420 (refactor(core): read the settings of all three processes in one way)
