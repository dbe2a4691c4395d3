"""Reads from whom, by which scheme and for which host name a request came where a trusted proxy passed it on.

uvicorn's own middleware is not used: it knows nothing of the host name, takes any text for a client's address, and
reads the scheme of a chain of proxies as one word.
"""

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, Final

from pydantic import AfterValidator
from starlette.types import ASGIApp, Receive, Scope, Send

from app.web.host_guard import HOST

# Set in the scope of a request that a trusted proxy passed on: scheme, client and host are those of its client.
VIA_PROXY: Final = "via_trusted_proxy"
Network = IPv4Network | IPv6Network
Header = tuple[bytes, bytes]
_FOR: Final = b"x-forwarded-for"
_PROTO: Final = b"x-forwarded-proto"
_HOST: Final = b"x-forwarded-host"
_FORWARDED: Final = frozenset({_FOR, _PROTO, _HOST, b"x-forwarded-port", b"forwarded"})


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return the comma-separated addresses and networks in `text`. Raises ValueError for anything else."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def _networks(text: str) -> str:
    parse_networks(text)
    return text


# A setting that names proxies.
ProxyList = Annotated[str, AfterValidator(_networks)]


def behind_proxies(app: ASGIApp, trusted: str) -> ASGIApp:
    """Return `app` behind the proxies that `trusted` names; the same application where it names none."""
    networks = parse_networks(trusted)
    return TrustedProxies(app, networks) if networks else app


class TrustedProxies:
    """Middleware: takes client, scheme and host from the `X-Forwarded-` headers of trusted proxies, and removes the headers.

    Those of anybody else are removed unread. Each proxy of a chain adds an entry at the end of `X-Forwarded-For`: the
    client is the last one that is no trusted proxy, and what stands before it was sent by the client itself.
    """

    def __init__(self, app: ASGIApp, trusted: tuple[Network, ...]) -> None:
        self._app = app
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http":
            headers: list[Header] = scope["headers"]
            others = [header for header in headers if header[0] not in _FORWARDED]
            peer = scope.get("client")
            if peer is not None and self._is_trusted(peer[0]):
                scope = {**scope, **self._forwarded(headers, others, (peer[0], peer[1])), VIA_PROXY: True}
            else:
                scope = {**scope, "headers": others}
        await self._app(scope, receive, send)

    def _forwarded(self, headers: list[Header], others: list[Header], peer: tuple[str, int]) -> dict[str, object]:
        """Return the members of the scope that differ from those of the connection."""
        client, n_proxies = peer, 1
        for entry in reversed(_entries(headers, _FOR)):
            address = _address(entry)
            if address is None:
                break
            client = address
            if not self._is_trusted(address[0]):
                break
            n_proxies += 1
        members: dict[str, object] = {"client": client}
        scheme = _outermost(_entries(headers, _PROTO), n_proxies).lower()
        if scheme in {"http", "https"}:
            members["scheme"] = scheme
        host = _outermost(_entries(headers, _HOST), n_proxies)
        if HOST.fullmatch(host):
            others = [*(header for header in others if header[0] != b"host"), (b"host", host.encode("ascii"))]
        return {**members, "headers": others}

    def _is_trusted(self, address: str) -> bool:
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped  # how a server that listens on `::` sees IPv4
        return any(ip in network for network in self._trusted)


def _entries(headers: list[Header], name: bytes) -> list[str]:
    values = (value.decode("latin-1") for each, value in headers if each == name)
    return [entry.strip() for value in values for entry in value.split(",")]


def _outermost(entries: list[str], n_proxies: int) -> str:
    """Return what the trusted proxy that the client talks to has said; "" for nothing.

    A proxy replaces the header or adds to it, so there are at most as many entries of proxies as there are proxies.
    """
    return entries[-min(n_proxies, len(entries))] if entries else ""


def _address(entry: str) -> tuple[str, int] | None:
    """Return the address and port (0 where there is none) of an entry of `X-Forwarded-For`; None for any other text."""
    host, port = entry, ""
    if entry.startswith("["):
        host, _, port = entry[1:].partition("]")
        port = port.removeprefix(":")
    elif entry.count(":") == 1:
        host, _, port = entry.partition(":")
    try:
        return str(ip_address(host)), int(port) if port.isascii() and port.isdigit() else 0
    except ValueError:
        return None
