"""Who sent a request: the same answer in the panel, the prediction app and MLflow."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, Literal, get_args

from starlette.types import Scope

Role = Literal["viewer", "operator", "admin"]
TokenScope = Literal["read", "run", "predict", "mlflow", "admin"]
Via = Literal["link", "password", "proxy", "token", "panel"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
TOKEN_SCOPES: Final[tuple[TokenScope, ...]] = get_args(TokenScope)
# A token that is for one service only has no role in the panel.
ROLE_OF_SCOPE: Final[Mapping[str, Role]] = {"read": "viewer", "run": "operator", "admin": "admin"}
_KEY: Final = "identity"


@dataclass(frozen=True, slots=True)
class Identity:
    """A person, or the holder of a token, and how they were recognised.

    A viewer looks, an operator also runs, promotes and uploads, an admin does everything. `role` None: the token is for
    one service only. `is_service` is the panel itself, as its services see it.
    """

    name: str
    role: Role | None
    via: Via
    is_service: bool = False

    def may(self, role: Role) -> bool:
        """Return whether this identity has at least the rights of `role`."""
        return self.role is not None and ROLES.index(self.role) >= ROLES.index(role)


def role_to_make(scope: str) -> Role:
    """Return the role that somebody needs to make a token of this scope."""
    return ROLE_OF_SCOPE.get(scope, "viewer")


def identity_of(scope: Scope) -> Identity | None:
    """Return who sent the request of an ASGI scope; None where nobody was recognised."""
    identity: Identity | None = scope.get(_KEY)
    return identity


def set_identity(scope: Scope, identity: Identity) -> None:
    """Record who sent the request, for `identity_of`."""
    scope[_KEY] = identity


def client_address(scope: Scope) -> str:
    """Return the address that a request came from, "" where it is not known."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def client_of(address: str) -> str:
    """Return what counts as one client: an IPv4 address, the /64 network that a subscriber of IPv6 has, this machine."""
    try:
        parsed = ip_address(address)
    except ValueError:  # a socket of the file system has none
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if parsed.is_loopback:  # whoever is on it has 2^24 addresses
        return "loopback"
    return str(parsed) if isinstance(parsed, IPv4Address) else f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
