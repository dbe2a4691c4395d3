"""Settings of the prediction API, from the environment. Every limit names the failure it bounds."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.problems import ProblemError


@dataclass(frozen=True, kw_only=True)
class ApiSettings:
    """What the API may be told.

    `max_body_bytes` bounds memory per request, `max_rows` the time one batch holds the processors, `body_timeout_s` a
    client that sends slowly, `head_timeout_s` one that does not say what it wants, `poll_s` how late a new model is
    noticed, `verify_timeout_s` a bundle that hangs its verification, `verify_memory_bytes` one that eats memory.
    `allowed_hosts` are public names by which an API without a key may be called.
    """

    models_dir: Path = Path("data/models")
    host: str = "127.0.0.1"
    port: int = 8000
    api_key: str = ""
    allowed_hosts: str = ""
    panel_url: str = ""
    max_body_bytes: int = 64 * 2**20
    max_rows: int = 200_000
    body_timeout_s: float = 60.0
    head_timeout_s: float = 10.0
    poll_s: float = 0.2
    verify_timeout_s: float = 20.0
    verify_memory_bytes: int = 4 * 2**30


def from_environment(environ: Mapping[str, str] = os.environ) -> ApiSettings:
    """The settings of this process. Raises ProblemError API-01 naming the variable that cannot be used."""
    defaults = ApiSettings()
    return ApiSettings(
        models_dir=Path(environ.get("ML_PIPELINE_MODELS") or defaults.models_dir),
        host=environ.get("API_HOST") or defaults.host,
        port=int(_number(environ, "API_PORT", defaults.port, 1, 65535)),
        api_key=_key(environ),
        allowed_hosts=environ.get("API_ALLOWED_HOSTS", ""),
        panel_url=environ.get("PANEL_URL", "").rstrip("/"),
        max_body_bytes=int(_number(environ, "API_MAX_BODY_BYTES", defaults.max_body_bytes, 1024, 2**31)),
        max_rows=int(_number(environ, "API_MAX_ROWS", defaults.max_rows, 1, 10_000_000)),
        body_timeout_s=_number(environ, "API_BODY_TIMEOUT_S", defaults.body_timeout_s, 1, 3600),
        head_timeout_s=_number(environ, "API_HEAD_TIMEOUT_S", defaults.head_timeout_s, 1, 3600),
    )


def _key(environ: Mapping[str, str]) -> str:
    path = environ.get("API_KEY_FILE")
    if not path:
        return environ.get("API_KEY", "")
    try:
        key = Path(path).read_text("utf-8").strip()
    except OSError as error:
        raise _wrong("API_KEY_FILE", f"The file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise _wrong("API_KEY_FILE", f"The file {path} is not UTF-8 text.") from error
    if not key:
        raise _wrong("API_KEY_FILE", f"The file {path} is empty.")
    return key


def _number(environ: Mapping[str, str], name: str, default: float, low: float, high: float) -> float:
    text = environ.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise _wrong(name, f"{text!r} is not a number from {low:g} to {high:g}.")
    return value


def _wrong(name: str, why: str) -> ProblemError:
    return ProblemError("API-01", f"The setting {name} cannot be used.", why=why, fix="Correct it, or leave it out.")
