"""Who somebody is: by the printed link, a password, a session's cookie or a token.

There is no default password. Without `PANEL_PASSWORD` each start of the panel makes a link that logs in as `admin`; it
works until the panel stops, in as many browsers as it is opened in, so that closing a browser locks nobody out.
"""

import hmac
import logging
import secrets
from contextlib import suppress
from typing import Final, NoReturn

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import Scope

from app.panel.audit.actor import Actor, acting
from app.panel.audit.record import record
from app.panel.auth.access_file import AccessFile
from app.panel.auth.access_list import access_list, panel_role, token_name, via_of
from app.panel.auth.devices import Devices
from app.panel.auth.problems import (
    InvalidLoginLinkError,
    InvalidUserError,
    WrongPasswordError,
)
from app.panel.auth.refusals import Refusals
from app.panel.auth.secrets import ADMIN, read_api_token, read_password
from app.panel.auth.sessions import Browser, Sessions
from app.panel.auth.tables import LoginSession
from app.panel.auth.throttle import LoginThrottle
from app.panel.auth.tokens import Tokens
from app.panel.auth.users import NAME as USER_NAME
from app.panel.auth.users import Users
from app.panel.clock import Clock
from app.panel.db.engine import Database
from app.panel.settings import Settings
from app.panel.startup import CLI_TOKEN_FILE
from app.web.access import SERVICES_OF_SCOPE, Access, TokenAccess, digest, session_digest
from app.web.identity import Identity, Via, client_address
from app.web.login_gate import session_cookie
from app.web.proxies import VIA_PROXY
from app.web.wrong_tokens import WrongTokens
from pipeline.core.problems import ProblemError

SETTING_TOKEN: Final = "PANEL_API_TOKEN"  # noqa: S105 - the name of the token of the settings
TERMINAL: Final = "terminal"  # who `ml-pipeline` on this machine is

log = logging.getLogger(__name__)


class Auth:
    """Logs in and recognises. Thread-safe; sessions and tokens are checked in memory, without the database.

    Building it raises WeakPasswordError, WeakTokenError or UnusableSecretError for a secret that protects nothing.
    """

    def __init__(self, settings: Settings, db: Database, clock: Clock) -> None:
        self._settings = settings
        self._db = db
        self._clock = clock
        self.throttle = LoginThrottle()
        self.wrong_tokens = WrongTokens()
        self.refusals = Refusals(db, clock)
        self.devices = Devices(db, clock)
        self._access = AccessFile(settings.access_dir, self._collect_access)
        self.sessions = Sessions(db, clock, self._access.write)
        self.tokens = Tokens(db, clock, self._access.write)
        self.users = Users(db, clock, self._user_changed)
        password = read_password(settings)
        self._link_token = None if password is not None else secrets.token_urlsafe(32)
        api_token = read_api_token(settings)
        self._setting_digest = None if api_token is None else digest(api_token)
        # With it the panel itself calls its services; a new one at each start, in no file but as its digest.
        self.service_token = secrets.token_urlsafe(32)
        self.users.load(password)

    def load(self) -> None:
        """Read sessions and tokens, and tell the services. Called once, when the panel starts."""
        self.sessions.load()
        self.tokens.load()
        self._access.write()

    @property
    def has_link(self) -> bool:
        """Return whether the panel prints a link that logs in."""
        return self._link_token is not None

    def login_url(self) -> str:
        """Return the link that logs in, or the address of the login page where there is a password."""
        query = f"?token={self._link_token}" if self._link_token is not None else ""
        return f"{self._settings.panel_url}/login{query}"

    def login_with_link(self, token: str, browser: Browser) -> str:
        """Return a new session's token. Raises InvalidLoginLinkError for a wrong or old link.

        Nobody can guess it, so attempts are not throttled: a foreign page could make them in the owner's browser.
        """
        is_right = self._link_token is not None and hmac.compare_digest(token.encode(), self._link_token.encode())
        if not is_right:
            self._refuse(InvalidLoginLinkError(uses_password=not self.has_link), "link", browser)
        return self._create_session(ADMIN, "link", browser)

    async def login_with_password(
        self, name: str, password: str, browser: Browser, *, is_long: bool = False, device: str = ""
    ) -> str:
        """Return a new session's token, after its turn. Raises WrongPasswordError, TooManyLoginsError.

        `device` is the token of a browser that may be known.
        """
        name = name if USER_NAME.fullmatch(name) else ""  # nobody's, and nothing that could fill the memory
        known = await run_in_threadpool(self.devices.find, device, name)
        await self.throttle.turn(browser.address, name, known)
        if not await run_in_threadpool(self.users.is_password, name, password):
            await run_in_threadpool(self._refuse, WrongPasswordError(), name, browser)
        self.throttle.forget(browser.address, known)
        return await run_in_threadpool(self._create_session, name, "password", browser, is_long=is_long)

    def session_identity(self, session: LoginSession) -> Identity | None:
        """Return who a session belongs to; None for a user who was removed or disabled."""
        role = self.users.role(session.user)
        return None if role is None else Identity(session.user, role, via_of(session))

    def bearer_identity(self, text: str) -> Identity | None:
        """Return who the holder of a token is: the setting's, that of `ml-pipeline`, or one that somebody made."""
        found = digest(text)
        if self._setting_digest is not None and hmac.compare_digest(found, self._setting_digest):
            return Identity(SETTING_TOKEN, "admin", "token")
        own = self._terminal_token()
        if own and hmac.compare_digest(found, digest(own)):
            return Identity(TERMINAL, "admin", "token")
        row = self.tokens.find(text)
        if row is None or self.users.role(row.owner) is None:
            return None
        if self.tokens.needs_touch(row):
            self.tokens.touch(row)
        return Identity(token_name(row), panel_role(row, self.users.role(row.owner)), "token")

    def proxy_identity(self, scope: Scope) -> Identity | None:
        """Return who a trusted proxy says has logged in there; None where none does, or somebody unknown is refused.

        A name that is new becomes a user, if the settings give such users a role. Waits for the disk then.
        """
        header = self._settings.proxy_user_header
        if not header or VIA_PROXY not in scope:
            return None
        names = Headers(scope=scope).getlist(header)
        name = names[0].strip().lower() if len(names) == 1 else ""
        if not USER_NAME.fullmatch(name):
            return None
        default = self._settings.proxy_user_role
        if default is not None and not self.users.exists(name):
            with acting(Actor(name, "proxy", client_address(scope))), suppress(InvalidUserError):  # just now by another
                self.users.create(name, default, None)
        role = self.users.role(name)
        return None if role is None else Identity(name, role, "proxy")

    def proxy_session(self, identity: Identity, browser: Browser) -> LoginSession | None:
        """Return a session for somebody whom a proxy has logged in, from which services can be opened."""
        return self.sessions.find(self._create_session(identity.name, "proxy", browser))

    def grant(self, session: LoginSession, service: str, challenge: str) -> str:
        """Return the grant that lets the browser with this challenge in at `service` (see `app.web.login_gate`)."""
        grant = secrets.token_urlsafe(16)
        self.sessions.grant(session, service, session_digest(challenge, grant))
        return grant

    def logout(self, session: LoginSession) -> None:
        """End the session, at the services as well."""
        self.sessions.end(session.digest, "session.logout")

    def cookie_name(self, scope: Scope) -> str:
        """Return the name of the cookie of a session."""
        return session_cookie("panel", self._settings.panel_port, scope)

    def device_cookie_name(self, scope: Scope) -> str:
        """Return the name of the cookie by which a browser is known."""
        return session_cookie("panel_device", self._settings.panel_port, scope)

    def renew_access(self) -> None:
        """Write the access list if that has failed, for example because the disk was full."""
        self._access.renew()

    def _user_changed(self, name: str, but: str) -> None:
        self.tokens.load()
        self.sessions.end_all(name, but=but, action="")

    def _create_session(self, name: str, via: Via, browser: Browser, *, is_long: bool = False) -> str:
        actor = Actor(name, via, browser.address)
        with self._db.write() as tx:
            token = self.sessions.create(tx, name, via, browser, is_long=is_long)
            self.users.note_login(tx, name)
            record(tx, self._clock.now(), "session.login", name, actor=actor)
        self.sessions.keep(token)
        log.info("action=login result=ok user=%s via=%s address=%s", name, via, browser.address)
        return token

    def _refuse(self, problem: ProblemError, target: str, browser: Browser) -> NoReturn:
        self.refusals.record("session.login", target, browser.address, problem.what)
        raise problem

    def _terminal_token(self) -> str:
        try:
            return (self._settings.state_dir / CLI_TOKEN_FILE).read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def _collect_access(self) -> Access:
        fixed = {digest(self.service_token): TokenAccess("panel", ("mlflow",), "admin", is_service=True)}
        if self._setting_digest is not None:
            fixed[self._setting_digest] = TokenAccess(SETTING_TOKEN, SERVICES_OF_SCOPE["admin"], "admin")
        return access_list(self.users, self.sessions, self.tokens, fixed)
