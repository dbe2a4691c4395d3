"""What people do with passwords, sessions and tokens; whose they are is checked here, for pages and API alike."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from starlette.concurrency import run_in_threadpool

from app.panel.accounts.browsers import browser_name
from app.panel.accounts.caller import Caller
from app.panel.auth.problems import SessionNotFoundError, WrongPasswordError
from app.panel.auth.service import Auth
from app.panel.auth.sessions import max_age
from app.panel.auth.tables import ApiToken, User
from app.panel.auth.tokens import NewToken
from app.panel.clock import Clock

ID_LENGTH: Final = 16  # of a session's digest: enough to tell sessions apart
MLFLOW_DAYS: Final = 90


@dataclass(frozen=True)
class SessionRow:
    """A session as people see it. `expires_at` is when it ends at the latest."""

    id: str
    user: str
    via: str
    address: str
    browser: str
    is_current: bool
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


class Accounts:
    """Sync and thread-safe, but for `change_password`. Each verb raises ProblemError (AUTH-nn) for what is not allowed."""

    def __init__(self, auth: Auth, clock: Clock) -> None:
        self._auth = auth
        self._clock = clock

    def find_user(self, name: str) -> User | None:
        """Return a user; None for somebody whom only a proxy knows."""
        return next((user for user in self._auth.users.all() if user.name == name), None)

    def sessions(self, caller: Caller, *, of_all: bool = False) -> list[SessionRow]:
        """Return the caller's sessions, or those of all where the caller is an admin; the last used one first."""
        current = "" if caller.session is None else caller.session.digest
        owner = caller.owner if of_all else caller.user
        return [
            SessionRow(
                id=row.digest[:ID_LENGTH],
                user=row.user,
                via=row.via,
                address=row.address,
                browser=browser_name(row.agent),
                is_current=row.digest == current,
                created_at=row.created_at,
                seen_at=row.seen_at,
                expires_at=row.created_at + max_age(is_long=row.is_long),
            )
            for row in self._auth.sessions.all(owner)
        ]

    def end_session(self, caller: Caller, id: str) -> None:
        """End a session: the caller's own, or anybody's where the caller is an admin."""
        for row in self._auth.sessions.all(caller.owner):
            if row.digest[:ID_LENGTH] == id:
                self._auth.sessions.end(row.digest, "session.end", caller.owner)
                return
        raise SessionNotFoundError

    def end_other_sessions(self, caller: Caller) -> None:
        """End all sessions of the caller but this one."""
        self._auth.sessions.end_all(caller.user, but="" if caller.session is None else caller.session.digest)

    def tokens(self, caller: Caller, *, of_all: bool = False) -> list[ApiToken]:
        """Return the caller's tokens, or those of all where the caller is an admin; the newest first."""
        return self._auth.tokens.all(caller.owner if of_all else caller.user)

    def create_token(self, caller: Caller, name: str, scope: str, days: int | None) -> NewToken:
        """Return a new token of the caller that expires after `days`, None: never."""
        expires_at = None if days is None else self._clock.now() + timedelta(days=days)
        return self._auth.tokens.create(caller.maker, name, scope, expires_at)

    def create_mlflow_token(self, caller: Caller) -> NewToken:
        """Return a new token with which MLflow's own client does what the caller may do there, and nothing elsewhere."""
        return self.create_token(caller, "MLflow", "mlflow", MLFLOW_DAYS)

    def revoke_token(self, caller: Caller, id: int) -> None:
        """Revoke a token: the caller's own, or anybody's where the caller is an admin."""
        self._auth.tokens.revoke(id, caller.owner)

    def needs_current_password(self, caller: Caller) -> bool:
        """Return whether the caller has to enter the current password to change it; the printed link stands for it."""
        is_link = caller.session is not None and caller.session.via == "link"
        return self._auth.users.has_password(caller.user) and not is_link

    async def change_password(self, caller: Caller, current: str, new: str) -> None:
        """Change the caller's password and end all sessions but this one.

        Whoever guesses the current one waits in line as at the login.
        """
        if self.needs_current_password(caller):
            await self._auth.throttle.turn(caller.address, caller.user)
            if not await run_in_threadpool(self._auth.users.is_password, caller.user, current):
                await run_in_threadpool(self._refuse_password, caller)
            self._auth.throttle.forget(caller.address)
        but = "" if caller.session is None else caller.session.digest
        await run_in_threadpool(self._auth.users.set_password, caller.user, new, but=but)

    def _refuse_password(self, caller: Caller) -> None:
        problem = WrongPasswordError()
        self._auth.refusals.record("user.set_password", caller.user, caller.address, problem.what)
        raise problem
