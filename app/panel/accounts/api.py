"""Access as JSON: who somebody is, users, tokens, sessions, and the audit."""

from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from app.panel.accounts.caller import AnyCaller, Changer
from app.panel.accounts.service import Accounts
from app.panel.audit.queries import PAGE_SIZE, AuditFilters, AuditQueries
from app.panel.auth.service import Auth
from app.panel.auth.tables import ApiToken, User
from app.panel.db.engine import MAX_INTEGER
from app.web.dependencies import ISO_8601, provided
from app.web.identity import Role, TokenScope, Via

router = APIRouter(prefix="/api/v1", tags=["access"])
MAX_PAGE: Final = 1000
MAX_DAYS: Final = 5 * 365
MAX_TEXT: Final = 1024
Day = Annotated[date, ISO_8601]
_STRICT: Final = ConfigDict(extra="forbid", strict=True)
_FROM_ROW: Final = ConfigDict(from_attributes=True)

AccountsService = Annotated[Accounts, provided(Accounts)]
AuthService = Annotated[Auth, provided(Auth)]
TokenId = Annotated[int, Field(ge=1, le=MAX_INTEGER)]


class MeResponse(BaseModel):
    """Who the request comes from. `user` is the one whose sessions and tokens are theirs."""

    name: str
    role: Role | None
    via: Via
    user: str


class LoginLinkResponse(BaseModel):
    """The link that logs in as `admin` until the panel stops; where there is a password, the address of the login page."""

    url: str


class UserResponse(BaseModel):
    """A user. `is_password_set_by_setting`: by PANEL_PASSWORD, and changed there."""

    model_config = _FROM_ROW

    name: str
    role: Role
    has_password: bool
    is_password_set_by_setting: bool
    is_disabled: bool
    created_at: datetime
    last_login_at: datetime | None


class UsersResponse(BaseModel):
    """All users by name."""

    users: list[UserResponse]


class NewUser(BaseModel):
    """A user to create; without a password they cannot log in until one is set."""

    model_config = _STRICT

    name: str = Field(max_length=MAX_TEXT)
    role: Role
    password: str | None = Field(None, max_length=MAX_TEXT)


class UserChange(BaseModel):
    """The members to change; others stay as they are."""

    model_config = _STRICT

    role: Role | None = None
    is_disabled: bool | None = None


class NewPassword(BaseModel):
    """The password to set."""

    model_config = _STRICT

    password: str = Field(max_length=MAX_TEXT)


class TokenResponse(BaseModel):
    """A token, without itself: that was shown once. `last_used_at` is of the panel, up to five minutes old."""

    model_config = _FROM_ROW

    id: int
    name: str
    scope: TokenScope
    owner: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class TokensResponse(BaseModel):
    """Tokens that were not revoked, the newest first."""

    tokens: list[TokenResponse]


class NewTokenRequest(BaseModel):
    """A token to make; `days` null: it never expires."""

    model_config = _STRICT

    name: str = Field(max_length=MAX_TEXT)
    scope: TokenScope
    days: int | None = Field(90, ge=1, le=MAX_DAYS)


class NewTokenResponse(TokenResponse):
    """A token that was just made. `token` is never shown again."""

    token: str


class SessionResponse(BaseModel):
    """A browser in which somebody has logged in. `expires_at` is when it ends at the latest."""

    model_config = _FROM_ROW

    id: str
    user: str
    via: str
    address: str
    browser: str
    is_current: bool
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


class SessionsResponse(BaseModel):
    """Sessions, the one that was used last first."""

    sessions: list[SessionResponse]


class AuditResponse(BaseModel):
    """One entry of the audit; see `AuditEntry`."""

    model_config = _FROM_ROW

    id: int
    at: datetime
    actor: str
    via: str
    address: str
    action: str
    target: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    outcome: str
    detail: str


class AuditPageResponse(BaseModel):
    """Entries, newest first; pass `next_before` as `before` to go on, null on the last page."""

    model_config = _FROM_ROW

    entries: list[AuditResponse] = Field(validation_alias="rows")
    next_before: int | None


@router.get("/me")
def who_am_i(caller: AnyCaller) -> MeResponse:
    """Return who the request comes from."""
    identity = caller.identity
    return MeResponse(name=identity.name, role=identity.role, via=identity.via, user=caller.user)


@router.get("/login-link")
def show_login_link(auth: AuthService) -> LoginLinkResponse:
    """Return the link that the panel printed when it started. For admins."""
    return LoginLinkResponse(url=auth.login_url())


@router.get("/users")
def list_users(auth: AuthService) -> UsersResponse:
    """Return all users. For admins."""
    return UsersResponse(users=[_user(user) for user in auth.users.all()])


@router.post("/users", status_code=201)
def create_user(body: NewUser, auth: AuthService) -> UserResponse:
    """Create a user. For admins."""
    return _user(auth.users.create(body.name, body.role, body.password))


@router.patch("/users/{name}")
def change_user(name: str, body: UserChange, auth: AuthService) -> UserResponse:
    """Change a user's role, disable or enable them; their sessions end. For admins."""
    return _user(auth.users.change(name, role=body.role, is_disabled=body.is_disabled))


@router.put("/users/{name}/password", status_code=204)
def set_password(name: str, body: NewPassword, auth: AuthService) -> None:
    """Set a user's password; their sessions end. For admins."""
    auth.users.set_password(name, body.password)


@router.delete("/users/{name}", status_code=204)
def remove_user(name: str, auth: AuthService) -> None:
    """Remove a user; their sessions end, and their tokens are revoked. For admins."""
    auth.users.remove(name)


@router.get("/tokens")
def list_tokens(caller: AnyCaller, accounts: AccountsService) -> TokensResponse:
    """Return one's own tokens; for admins those of all."""
    return TokensResponse(tokens=[_token(row) for row in accounts.tokens(caller, of_all=True)])


@router.post("/tokens", status_code=201)
def create_token(body: NewTokenRequest, caller: Changer, accounts: AccountsService) -> NewTokenResponse:
    """Make a token of one's own, of a scope that is not above one's own role; its text is only in this response."""
    new = accounts.create_token(caller, body.name, body.scope, body.days)
    return NewTokenResponse(**_token(new.row).model_dump(), token=new.text)


@router.delete("/tokens/{id}", status_code=204)
def revoke_token(id: TokenId, caller: Changer, accounts: AccountsService) -> None:
    """Revoke one of one's own tokens; for admins anybody's."""
    accounts.revoke_token(caller, id)


@router.get("/sessions")
def list_sessions(caller: AnyCaller, accounts: AccountsService) -> SessionsResponse:
    """Return one's own sessions; for admins those of all."""
    rows = accounts.sessions(caller, of_all=True)
    return SessionsResponse(sessions=[SessionResponse.model_validate(row) for row in rows])


@router.delete("/sessions/{id}", status_code=204)
def end_session(id: str, caller: Changer, accounts: AccountsService) -> None:
    """End one of one's own sessions; for admins anybody's."""
    accounts.end_session(caller, id)


@router.get("/audit")
def list_entries(
    queries: Annotated[AuditQueries, provided(AuditQueries)],
    *,
    actor: str = "",
    action: str = "",
    outcome: Literal["", "ok", "failed", "refused"] = "",
    from_day: Day | None = None,
    to_day: Day | None = None,
    before: Annotated[int | None, Query(ge=1, le=MAX_INTEGER)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = PAGE_SIZE,
) -> AuditPageResponse:
    """Return entries of the audit, newest first. For admins. Days are those of the server's time zone."""
    filters = AuditFilters(actor, action, outcome, from_day, to_day)
    return AuditPageResponse.model_validate(queries.page(filters, before, limit))


def _user(user: User) -> UserResponse:
    has_password = user.password_hash is not None
    members = {"has_password": has_password, "is_disabled": user.disabled_at is not None}
    return UserResponse.model_validate(user.model_dump(exclude={"password_hash", "disabled_at"}) | members)


def _token(row: ApiToken) -> TokenResponse:
    return TokenResponse.model_validate(row)
