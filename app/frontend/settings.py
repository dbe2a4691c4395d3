"""Settings of the prediction app."""

from pathlib import Path
from typing import Annotated, ClassVar, Final

from pydantic import Field

from app.web.handover import REPLACES
from app.web.server_settings import HttpUrl, LoginSettings
from pipeline.core.product import API_PORT, APP_PORT
from pipeline.core.settings import ApiAccess, setting

MB: Final = 2**20


class Settings(ApiAccess, LoginSettings):
    """Every setting of the app with its environment name, default and meaning. The key never reaches a page or a log."""

    api_url: HttpUrl = setting(
        "API_URL", f"http://127.0.0.1:{API_PORT}", "Address of the prediction API; the panel sets it."
    )
    api_tls_cert: Path | None = setting(
        "API_TLS_CERT", None, "The only certificate that is accepted of an API at https; the panel sets it."
    )
    host: str = setting("APP_HOST", "127.0.0.1", "Address that the app listens on; the panel sets it.")
    port: int = setting("APP_PORT", APP_PORT, "Prediction app.", ge=1, le=65535)
    public_port: Annotated[int | None, Field(ge=1, le=65535)] = setting(
        "APP_PUBLIC_PORT", None, "Port of the app as browsers see it, if it is not `APP_PORT`."
    )
    allowed_hosts: str = setting(
        "APP_ALLOWED_HOSTS", "", "Additional hostnames of the app, comma separated; those of the panel by default."
    )
    is_published_locally: bool = setting(
        "ML_PIPELINE_PUBLISHED_LOCALLY",
        False,
        "In a container: its port is published on a loopback address only, so no key is needed; the panel sets it.",
    )
    replaces: bool = setting(
        REPLACES,
        False,
        "An instance of it serves on its port, and ends once this one does; the panel sets it.",
    )
    is_public: bool = setting(
        "APP_PUBLIC",
        False,
        "Whether anybody may use the app although the API has a key; it then shows typical values, not rows of the table.",
    )
    head_timeout_s: float = setting(
        "APP_HEAD_TIMEOUT_S",
        10.0,
        "A connection that takes longer to send the head of a request is closed.",
        ge=1,
        le=3600,
    )
    table_bytes: ClassVar[int] = 32 * MB  # the largest table that may be uploaded

    @property
    def needs_login(self) -> bool:
        """Return whether people have to log in: where the API asks for a key, the app must not be the way around it."""
        return bool(self.bearer()) and not self.is_public
