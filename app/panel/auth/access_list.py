"""Works out who may use the services: the content of the access list, from users, sessions and tokens."""

from collections.abc import Mapping

from app.panel.auth.sessions import Sessions
from app.panel.auth.tables import ApiToken, LoginSession
from app.panel.auth.tokens import Tokens
from app.panel.auth.users import Users
from app.web.access import SERVICES_OF_SCOPE, Access, SessionAccess, TokenAccess
from app.web.identity import ROLE_OF_SCOPE, ROLES, Role, Via


def access_list(users: Users, sessions: Sessions, tokens: Tokens, fixed: Mapping[str, TokenAccess]) -> Access:
    """Return the access list: the tokens that nobody made, `fixed`, by their digest, and all that is valid now."""
    by_digest = dict(fixed)
    for row in tokens.valid():
        role = users.role(row.owner)
        if role is not None:
            by_digest[row.digest] = TokenAccess(
                token_name(row),
                SERVICES_OF_SCOPE.get(row.scope, ()),
                role if row.scope == "mlflow" else panel_role(row, role),
                None if row.expires_at is None else row.expires_at.timestamp(),
            )
    opened = {}
    parents = {session.digest: session for session in sessions.all()}
    for each in sessions.service_sessions():
        role, parent = users.role(each.user), parents.get(each.parent)
        if role is not None:
            opened[each.digest] = SessionAccess(
                service=each.service,
                user=each.user,
                role=role,
                via="password" if parent is None else via_of(parent),
                created_at=each.created_at.timestamp(),
                expires_at=each.expires_at.timestamp(),
                is_long=parent is not None and parent.is_long,
            )
    return Access(by_digest, opened)


def panel_role(row: ApiToken, owner: Role | None) -> Role | None:
    """Return what a token may do in the panel: what its scope says, but no more than its owner."""
    role = ROLE_OF_SCOPE.get(row.scope)
    return None if role is None or owner is None else min(role, owner, key=ROLES.index)


def token_name(row: ApiToken) -> str:
    """Return how the holder of a token is named in the audit."""
    return f"{row.owner}/{row.name}"


def via_of(session: LoginSession) -> Via:
    """Return how the session was opened."""
    return next((via for via in ("link", "password", "proxy") if via == session.via), "password")
