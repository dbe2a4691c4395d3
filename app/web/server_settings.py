"""The settings that all servers share: how requests reach them."""

from pathlib import Path
from typing import Literal

from app.web.proxies import ProxyList
from app.web.tls import TlsFiles
from pipeline.core.settings import ProcessSettings, setting


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
