"""The settings that all servers share: how requests reach them."""

from pathlib import Path

from app.web.proxies import ProxyList
from pipeline.core.settings import ProcessSettings, setting


class ServerSettings(ProcessSettings):
    """The certificate of a server, and the proxies in front of it. The panel hands both on to its services."""

    tls_cert: Path | None = setting(
        "PANEL_TLS_CERT",
        None,
        "Certificate (PEM) for https on all four ports; in containers on the panel's only.",
    )
    tls_key: Path | None = setting("PANEL_TLS_KEY", None, "Private key (PEM) of the certificate.")
    trusted_proxies: ProxyList = setting(
        "TRUSTED_PROXIES",
        "",
        "Addresses or networks of proxies, comma separated, whose `X-Forwarded-For`, `-Proto` and `-Host` count.",
    )
