"""Which role a route needs. What is not named here can be read by viewers and changed by operators."""

from typing import Final

from app.web.identity import Role
from app.web.security import SAFE_METHODS

# A person's own password, sessions and tokens; whose they are is checked there.
OWN: Final = ("/logout", "/access", "/api/v1/sessions", "/api/v1/tokens")
FORMS: Final = ("/runs/new",)  # pages that are nothing but a form
ADMIN: Final = (
    *("/access/users", "/access/audit", "/backups"),
    *("/api/v1/users", "/api/v1/audit", "/api/v1/backups", "/api/v1/login-link"),
)


def required_role(method: str, path: str) -> Role:
    """Return the role that a request needs."""
    if _is_below(path, ADMIN):
        return "admin"
    is_open = method in SAFE_METHODS and path not in FORMS
    return "viewer" if is_open or _is_below(path, OWN) else "operator"


def _is_below(path: str, prefixes: tuple[str, ...]) -> bool:
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in prefixes)
