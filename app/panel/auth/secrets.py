"""Secrets from settings: checked once at start, so that a weak one never guards anything."""

import hashlib
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from app.panel.settings import Settings
from pipeline.core.problems import ProblemError

SHORTEST_PASSWORD: Final = 8
SHORTEST_TOKEN: Final = 16
# Passwords that a stranger tries first, among them the ones that stacks like this ship with.
# fmt: off
KNOWN: Final = frozenset({
    "12345678", "123456789", "1234567890", "password", "password1", "passw0rd", "admin123", "administrator",
    "airflow1", "airflow123", "changeme", "changeit", "letmein1", "qwertyuiop", "qwerty123", "iloveyou",
    "11111111", "00000000", "ml-pipeline", "mlpipeline", "automated-ml-pipeline", "mlflow123", "postgres",
    "dockerdocker", "welcome1",
})
# fmt: on


def password(settings: Settings) -> str | None:
    """The password to log in with, or None. Raises ProblemError AUTH-05 if it guards nothing."""
    text = _secret("PANEL_PASSWORD", settings.password, settings.password_file)
    if text is not None and (len(text) < SHORTEST_PASSWORD or text.lower() in KNOWN):
        raise ProblemError(
            "AUTH-05",
            "The panel's password is too weak.",
            why=f"It has fewer than {SHORTEST_PASSWORD} characters or is among the first that anybody tries.",
            fix="Set a longer one, or none: then a login link is printed at start.",
            command="""PANEL_PASSWORD="$(python3 -c 'import secrets; print(secrets.token_urlsafe(18))')" make run""",
        )
    return text


def api_token(settings: Settings) -> str | None:
    """The bearer token for scripts, or None. Raises ProblemError AUTH-06 if it can be guessed."""
    text = _secret("PANEL_API_TOKEN", settings.api_token, settings.api_token_file)
    if text is not None and len(text) < SHORTEST_TOKEN:
        raise ProblemError(
            "AUTH-06",
            "The API token is too short.",
            why=f"A token has at least {SHORTEST_TOKEN} characters.",
            fix="Set PANEL_API_TOKEN to a random one.",
            command="python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    return text


def password_key(text: str | None) -> bytes:
    """32 bytes that stand for the password; slow to make (16 MB, about 50 ms), so that guesses are slow too.

    The salt is a constant because the result never leaves this process: it is compared and keys digests.
    """
    if text is None:
        return b""
    return hashlib.scrypt(text.encode(), salt=b"automated-ml-pipeline", n=2**14, r=8, p=1, dklen=32)


def _secret(name: str, value: SecretStr | None, file: Path | None) -> str | None:
    if file is not None:
        try:
            text = file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ProblemError(
                "AUTH-07",
                f"The file that {name}_FILE names cannot be read.",
                why=f"{file}: {getattr(error, 'strerror', None) or 'it is not text'}.",
                fix=f"Make it readable, or unset {name}_FILE.",
            ) from error
    elif value is not None:
        text = value.get_secret_value().strip()
    else:
        return None
    if not text:
        raise ProblemError(
            "AUTH-07",
            f"{name} is set but empty.",
            why="An empty secret would let everybody in.",
            fix=f"Give it a value, or unset {name}.",
        )
    return text
