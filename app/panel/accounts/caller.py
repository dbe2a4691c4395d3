"""Who calls, and whose passwords, sessions and tokens are theirs to change."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from app.panel.auth.middleware import session_of
from app.panel.auth.problems import LoginRequiredError, RoleRequiredError
from app.panel.auth.secrets import ADMIN
from app.panel.auth.service import SETTING_TOKEN, TERMINAL
from app.panel.auth.tables import LoginSession
from app.web.identity import Identity, client_address, identity_of


@dataclass(frozen=True)
class Caller:
    """Who sent a request. `user` is the one whose sessions and tokens are the caller's own; `session` None: by a token."""

    identity: Identity
    user: str
    session: LoginSession | None
    address: str

    @property
    def is_admin(self) -> bool:
        """Return whether everybody's sessions and tokens may be seen and ended."""
        return self.identity.may("admin")

    @property
    def owner(self) -> str | None:
        """Return whose sessions and tokens may be changed; None: everybody's."""
        return None if self.is_admin else self.user

    @property
    def maker(self) -> Identity:
        """Return as whom tokens are made: the user, with the rights of this request."""
        return Identity(self.user, self.identity.role, self.identity.via)


def find_caller(request: Request) -> Caller:
    """Return who sent a request. Raises LoginRequiredError in an application without a login."""
    identity = identity_of(request.scope)
    if identity is None:
        raise LoginRequiredError
    return Caller(identity, user_of(identity), session_of(request.scope), client_address(request.scope))


def find_changer(request: Request) -> Caller:
    """Return who wants to change a password, sessions or tokens.

    Raises RoleRequiredError for a token that is not an admin's: one that leaked could otherwise make others, and outlive
    its own end.
    """
    caller = find_caller(request)
    if caller.session is None and caller.identity.via == "token" and not caller.is_admin:
        raise RoleRequiredError(name=caller.identity.name, role=caller.identity.role, required="admin")
    return caller


def user_of(identity: Identity) -> str:
    """Return the user that somebody is; a token belongs to who made it, those of settings and terminal to `admin`."""
    if identity.via != "token":
        return identity.name
    return ADMIN if identity.name in {SETTING_TOKEN, TERMINAL} else identity.name.partition("/")[0]


AnyCaller = Annotated[Caller, Depends(find_caller)]
Changer = Annotated[Caller, Depends(find_changer)]
