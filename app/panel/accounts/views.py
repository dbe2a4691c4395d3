"""What the pages of Access show."""

from dataclasses import dataclass
from typing import ClassVar

from app.panel.accounts.service import SessionRow
from app.panel.audit.queries import AuditFilters
from app.panel.audit.tables import AuditEntry
from app.panel.auth.tables import ApiToken, User
from app.web.identity import ROLES, Identity
from app.web.templating import View
from pipeline.core.problems import ProblemError

VIA: dict[str, str] = {
    "link": "by the printed link",
    "password": "with a password",
    "proxy": "by the proxy in front of the panel",
    "token": "with a token",
    "panel": "as the panel itself",
}
LIFETIMES: tuple[tuple[str, str], ...] = (("30", "30 days"), ("90", "90 days"), ("365", "1 year"), ("never", "never"))
SCOPES: tuple[tuple[str, str], ...] = (
    ("read", "read: look at everything"),
    ("run", "run: also start, cancel, promote, upload"),
    ("predict", "predict: only the prediction API"),
    ("mlflow", "mlflow: only MLflow, with my role"),
    ("admin", "admin: everything"),
)


@dataclass(frozen=True)
class AccessView(View):
    """One's own page. `user` is None for somebody whom only a proxy knows; `scopes` are those that their role allows."""

    TEMPLATE: ClassVar[str] = "panel/access.html"

    identity: Identity
    via: str
    user: User | None
    needs_current: bool
    sessions: tuple[SessionRow, ...]
    tokens: tuple[ApiToken, ...]
    scopes: tuple[tuple[str, str], ...]
    problem: ProblemError | None
    problem_at: str
    lifetimes: tuple[tuple[str, str], ...] = LIFETIMES


@dataclass(frozen=True)
class NewTokenView(View):
    """The page that shows a token once. `tracking_uri` is where MLflow's client finds the server, "" for other tokens."""

    TEMPLATE: ClassVar[str] = "panel/access_token.html"

    token: ApiToken
    text: str
    tracking_uri: str
    panel_url: str


@dataclass(frozen=True)
class UsersView(View):
    """All users, sessions and tokens, for admins."""

    TEMPLATE: ClassVar[str] = "panel/access_users.html"

    users: tuple[User, ...]
    sessions: tuple[SessionRow, ...]
    tokens: tuple[ApiToken, ...]
    problem: ProblemError | None
    me: str
    roles: tuple[str, ...] = ROLES


@dataclass(frozen=True)
class AuditView(View):
    """A page of the audit. `export_query` has the filters, for the links that export."""

    TEMPLATE: ClassVar[str] = "panel/access_audit.html"

    rows: tuple[AuditEntry, ...]
    filters: AuditFilters
    export_query: str
    next_url: str
    first_url: str
    outcomes: tuple[str, ...] = ("ok", "failed", "refused")
