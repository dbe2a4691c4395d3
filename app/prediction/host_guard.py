"""By which names an API without a key answers: those that no stranger can own.

A web page can let its own name point to this machine (DNS rebinding), and would then read answers as its own. Names of
one word, addresses and names for home and office networks cannot be had for that; any other has to be allowed.
"""

import re
from ipaddress import ip_address
from typing import Final

from pipeline.core.problems import ProblemError

HOST: Final = re.compile(rb"(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::[0-9]{1,5})?")
PRIVATE: Final = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".test")
MOST: Final = 100  # remembered, so that the common ones are not taken apart again


class Hosts:
    """`allowed` are more names, separated by commas; `*` allows all."""

    def __init__(self, allowed: str = "") -> None:
        names = [name.strip().lower() for name in allowed.split(",")]
        # A port is that of a proxy, as in PANEL_ALLOWED_HOSTS; here it does not matter.
        self._allowed = {re.sub(r":[0-9]+$", "", name) for name in names if name}
        self._seen = {b""}  # no browser leaves it out

    def check(self, host: bytes) -> None:
        """Raise ProblemError API-17 (421) if `host`, a Host header, may be a stranger's name."""
        if host in self._seen:
            return
        found = HOST.fullmatch(host)
        if found is None or not self._is_ours(found[1].decode("ascii").lower()):
            raise ProblemError(
                "API-17",
                "The API does not answer to that host name.",
                why=f"The request named {host[:80].decode('latin-1')!r}, which a web page could have made point here.",
                fix="Call it by its address or its short name, list the name in API_ALLOWED_HOSTS, or set API_KEY.",
                status=421,
            )
        if len(self._seen) < MOST:
            self._seen.add(host)

    def _is_ours(self, name: str) -> bool:
        if "." not in name or name.endswith(PRIVATE) or name in self._allowed or "*" in self._allowed:
            return True
        try:
            ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True
