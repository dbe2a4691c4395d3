"""Finds the addresses under which a browser that has the panel open reaches the services.

A browser sends the panel's cookie to every port of the host name under which the panel was opened. So a service is
linked by another name, or not at all.
"""

from typing import Final, Literal
from urllib.parse import urlsplit

from starlette.requests import Request

from app.panel.settings import Settings, host_of
from app.web.exposure import is_loopback
from app.web.host_guard import LOOPBACK_NAMES, allowed_hosts, names_beyond_loopback, other_loopback
from app.web.proxies import VIA_PROXY

Service = Literal["api", "app", "mlflow"]
TITLES: Final[dict[Service, str]] = {"app": "the app", "api": "the API", "mlflow": "MLflow"}
SETTINGS: Final[dict[Service, str]] = {
    "app": "APP_PUBLIC_URL",
    "api": "API_PUBLIC_URL",
    "mlflow": "MLFLOW_PUBLIC_URL",
}


class ServiceLinks:
    """The addresses of the services for one browser after another.

    `in_container`: they are reached where their containers are published, not where the panel listens.
    """

    def __init__(self, settings: Settings, *, in_container: bool) -> None:
        self._settings = settings
        self._only_local = in_container and is_loopback(settings.publish_address)

    def url(self, request: Request, service: Service, path: str = "/") -> str:
        """Return the address of a service, "" where none is known by another host name than that of this request."""
        own = (request.url.hostname or "").lower()
        public = self._settings.public_urls[service]
        if public:
            return f"{public}{path}" if host_of(public) != own else ""
        other = self._other_name(request, service, own)
        return f"{self._settings.scheme}://{other}:{self._settings.ports[service]}{path}" if other else ""

    def is_address_of(self, service: Service, origin: str, request: Request) -> bool:
        """Return whether an origin is that of a service: where it is linked, or its port at a name of the panel's.

        A login that is handed on anywhere else lets somebody else in.
        """
        if origin == self.url(request, service, ""):
            return True
        try:
            parts = urlsplit(origin)
            port = parts.port
        except ValueError:
            return False
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        names = {*LOOPBACK_NAMES, *allowed_hosts(self._settings.panel_host, self._settings.allowed_hosts)}
        is_plain = origin in {f"http://{host}:{port}", f"https://{host}:{port}"}
        return is_plain and port == self._settings.ports[service] and host in names

    def missing(self, request: Request) -> str:
        """Return one sentence that says which links are missing, and what to set; "" where none is."""
        services: tuple[Service, ...] = tuple(service for service in TITLES if not self.url(request, service))
        if not services:
            return ""
        titles, names = [TITLES[each] for each in services], [SETTINGS[each] for each in services]
        them = "it" if len(services) == 1 else "them"
        return (
            f"No links to {_listed(titles)}: under this name of the panel your browser would send its login to {them}. "
            f"Set {_listed(names)} to an address with another host name."
        )

    def _other_name(self, request: Request, service: Service, own: str) -> str:
        if other := other_loopback(f"[{own}]" if ":" in own else own):
            return other
        # Behind a proxy, only public addresses lead anywhere. MLflow is on loopback only, and so are most containers.
        if VIA_PROXY in request.scope or self._only_local or service == "mlflow":
            return ""
        known = names_beyond_loopback(self._settings.panel_host, self._settings.allowed_hosts)
        names = [name for name in known if name.strip("[]") != own]
        server = request.scope.get("server")
        address = str(server[0]) if server else ""
        # The address that the connection came in on leads here from where the browser is; of other names, nobody knows.
        return next((name for name in names if name.strip("[]") == address), names[0] if names else "")


def _listed(words: list[str]) -> str:
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)
