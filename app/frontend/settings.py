"""What the prediction app reads from its environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Where the app listens, whom it asks and what it links to.

    `api_key` is sent as a bearer token when it is not empty; it never reaches a page or a log. `allowed_hosts` are
    names besides loopback that the app may be called by, `public_port` the port that browsers see. A connection that
    takes longer than `head_timeout_s` to say what it wants is closed.
    """

    api_url: str = "http://127.0.0.1:8000"
    api_key: str = ""
    host: str = "127.0.0.1"
    port: int = 8501
    public_port: int = 8501
    panel_url: str = "http://localhost:8080"
    allowed_hosts: str = ""
    table_bytes: int = 32 * 2**20
    head_timeout_s: float = 10.0

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> "Settings":
        """Read `env`. Raises ValueError, naming the variable, for what is no port, no address or no time."""
        port = _port(env, "APP_PORT", 8501)
        return cls(
            api_url=env.get("API_URL", cls.api_url).rstrip("/"),
            api_key=_secret(env, "API_KEY"),
            host=env.get("APP_HOST", cls.host),
            port=port,
            public_port=_port(env, "APP_PUBLIC_PORT", port),
            panel_url=_http_url(env, "PANEL_URL", cls.panel_url),
            allowed_hosts=env.get("APP_ALLOWED_HOSTS", ""),
            head_timeout_s=_seconds(env, "APP_HEAD_TIMEOUT_S", cls.head_timeout_s),
        )


def _port(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name, "").strip() or str(default)
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise ValueError(f"{name} must be a port from 1 to 65535, not {text[:20]!r}.")
    return int(text)


def _seconds(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name, "").strip() or str(default)
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1 <= value <= 3600:
        raise ValueError(f"{name} must be a number of seconds from 1 to 3600, not {text[:20]!r}.")
    return value


def _http_url(env: Mapping[str, str], name: str, default: str) -> str:
    url = env.get(name, "").strip().rstrip("/") or default
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{name} must start with http:// or https://, not {url[:20]!r}.")
    return url


def _secret(env: Mapping[str, str], name: str) -> str:
    """The variable, or the content of the file that `<name>_FILE` names."""
    path = env.get(f"{name}_FILE", "")
    return Path(path).read_text("utf-8").strip() if path else env.get(name, "").strip()
