"""The settings that all servers share: how requests reach them."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator

from app.web.proxies import ProxyList
from app.web.tls import TlsFiles
from pipeline.core.product import PANEL_PORT
from pipeline.core.settings import ProcessSettings, setting


def _http_url(url: str) -> str:
    """Return the address without a slash at its end. Raises ValueError for what a page must not link to."""
    if not url.startswith(("http://", "https://")):
        raise ValueError("it must start with http:// or https://")
    return url.rstrip("/")


# A setting that holds an address.
HttpUrl = Annotated[str, AfterValidator(_http_url)]


class ServerSettings(ProcessSettings):
    """The certificate of a server, and the proxies in front of it. The panel hands both on to its services."""

    tls_cert: Path | None = setting(
        "PANEL_TLS_CERT",
        None,
        "Certificate (PEM) for https on all four ports.",
    )
    tls_key: Path | None = setting("PANEL_TLS_KEY", None, "Private key (PEM) of the certificate.")
    trusted_proxies: ProxyList = setting(
        "TRUSTED_PROXIES",
        "",
        "Addresses or networks of proxies, comma separated, whose `X-Forwarded-For`, `-Proto` and `-Host` count.",
    )

    @property
    def tls_files(self) -> TlsFiles | None:
        """Return the certificate and its key, None without them. Not checked: that is up to `read_tls`."""
        if self.tls_cert is None or self.tls_key is None:
            return None
        return TlsFiles(self.tls_cert.absolute(), self.tls_key.absolute())

    @property
    def scheme(self) -> Literal["http", "https"]:
        """Return by which scheme the ports are reached."""
        return "http" if self.tls_files is None else "https"


class LoginSettings(ServerSettings):
    """What a server needs besides where the panel's login is in front of it. The panel sets all of it."""

    panel_url: HttpUrl = setting(
        "PANEL_URL",
        f"http://localhost:{PANEL_PORT}",
        "Address of the panel, for links and its login; the panel sets it.",
    )
    panel_names: str = setting(
        "PANEL_NAMES", "", "Names by which other machines reach the panel, comma separated; the panel sets it."
    )
    access_dir: Path = setting(
        "ML_PIPELINE_ACCESS",
        Path("data/state/access"),
        "Folder with the list of who may use the services; the panel sets it.",
    )
