"""Checks Host headers: a foreign name that points to this machine is refused (DNS rebinding).

A web page can let its own name resolve to this machine and would then read answers as its own. The panel and the
prediction app answer to the names on a list (`listed_hosts`); the prediction API, which other machines call by names
that nobody has listed, to those that no stranger can own (`unownable_hosts`).
"""

import re
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Final

from app.web.exposure import is_loopback

HOST: Final = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::([0-9]{1,5}))?")
LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")
# Resolved by this machine alone. Names for home and office networks are not: any device there may claim one.
LOOPBACK_SUFFIX: Final = ".localhost"
ENGINE_NAME: Final = "host.docker.internal"  # of the machine, in containers of Docker Desktop
MAX_REMEMBERED: Final = 100

HostRule = Callable[[str, int | None], bool]  # lower-case name, IPv6 in brackets; port if it was written


class HostGuard:
    """Applies a rule to Host headers and remembers those that passed, so that a usual one costs a look-up."""

    def __init__(self, rule: HostRule, *, allow_missing: bool = False) -> None:
        self._rule = rule
        self._allowed = {b""} if allow_missing else set()

    def allows(self, host: bytes) -> bool:
        """Return whether a request with this Host header may be answered; b"" stands for none."""
        if host in self._allowed:
            return True
        match = HOST.fullmatch(host.decode("latin-1"))
        if match is None or not self._rule(match[1].lower(), int(match[2]) if match[2] else None):
            return False
        if len(self._allowed) < MAX_REMEMBERED:
            self._allowed.add(host)
        return True


def listed_hosts(hosts: Iterable[str], ports: Iterable[int]) -> HostRule:
    """Return a rule that allows the names `hosts` with one of `ports`, and entries `name:port` with that port.

    No port in the header means 80 or 443.
    """
    names, allowed_ports = frozenset(hosts), frozenset(ports)

    def is_allowed(name: str, port: int | None) -> bool:
        asked_ports = {80, 443} if port is None else {port}
        if name in names and asked_ports & allowed_ports:
            return True
        return any(f"{name}:{each}" in names for each in asked_ports)

    return is_allowed


def unownable_hosts(allowed: str = "") -> HostRule:
    """Return a rule that allows addresses, names of one word, names of this machine, and those in `allowed`.

    `allowed` is a comma-separated list, in which ports do not matter; `*` allows every name.
    """
    names = {re.sub(r":[0-9]+$", "", name.lower()) for name in split_names(allowed)}

    def is_allowed(name: str, _port: int | None) -> bool:
        if "." not in name or name.endswith(LOOPBACK_SUFFIX) or name == ENGINE_NAME or name in names or "*" in names:
            return True
        try:
            ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True

    return is_allowed


def split_names(text: str) -> tuple[str, ...]:
    """Return the names in a comma-separated list."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def allowed_hosts(bind: str, extra: str = "") -> frozenset[str]:
    """Return the loopback names, the address that is bound (unless it is a wildcard), and the names in `extra`.

    `extra` is a comma-separated list. A name in it may have a port, which browsers see where a proxy stands in front:
    `panel.example:443`.
    """
    names = [*LOOPBACK_NAMES, *split_names(extra)]
    if bind not in {"0.0.0.0", "::", "[::]"}:  # noqa: S104 - compared, not bound
        names.append(f"[{bind}]" if ":" in bind and not bind.startswith("[") else bind)
    return frozenset(name.lower() for name in names)


def names_beyond_loopback(bind: str, extra: str = "") -> tuple[str, ...]:
    """Return the names of `allowed_hosts`, in order, by which other machines reach a server itself, IPv6 in brackets."""
    names = allowed_hosts(bind, extra)
    # With a port it is the name at a proxy.
    return tuple(sorted(name for name in names if not is_loopback(name) and (":" not in name or name.endswith("]"))))


def other_loopback(host: str) -> str:
    """Return the other name of this machine for a Host header that has one of the two, with its port; else "".

    Ports of one name share their cookies; the two names do not.
    """
    name, _, port = host.rpartition(":") if not host.endswith("]") and ":" in host else (host, "", "")
    other = {"127.0.0.1": "localhost", "localhost": "127.0.0.1", "[::1]": "127.0.0.1"}.get(name.lower(), "")
    return f"{other}:{port}" if other and port else other
