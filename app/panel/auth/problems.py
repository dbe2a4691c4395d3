"""Problems with logging in, and with the secrets behind it."""

import math

from app.web.identity import Role
from pipeline.core.problems import ProblemError


class LoginRequiredError(ProblemError):
    """Log in first.

    The request carried neither a session nor a valid token. People open the login link or enter the password; scripts
    send `Authorization: Bearer TOKEN`, where the token is `PANEL_API_TOKEN` or the content of `cli-token` in the state
    folder.
    """

    id = "AUTH-01"
    status = 401
    command = "curl -H 'Authorization: Bearer TOKEN' ..."

    def __init__(self) -> None:
        super().__init__(
            "Log in first.",
            why="The request carried neither a session nor a valid token.",
            fix="Open the login link, or send the API token.",
        )


class InvalidLoginLinkError(ProblemError):
    """This login link is not valid.

    Each start of the panel prints a new link, and the previous one stops working; a link that was cut off does not work
    either. Open the link that was printed last. A panel with a password has no login link.
    """

    id = "AUTH-02"
    status = 401

    def __init__(self, *, uses_password: bool) -> None:
        super().__init__(
            "This login link is not valid.",
            why="The panel uses a password instead."
            if uses_password
            else "Each start of the panel makes a new link; this one is older, or incomplete.",
            fix="Enter the password."
            if uses_password
            else "Open the link that the panel printed when it last started.",
        )


class WrongPasswordError(ProblemError):
    """Wrong name or password.

    No user of this name has this password, or the user is disabled. The password of `admin` is the one in
    `PANEL_PASSWORD` or in the file that `PANEL_PASSWORD_FILE` names, where one is set; those of others are set on the page
    Access. A panel without `PANEL_PASSWORD` prints a link at its start that always logs in.
    """

    id = "AUTH-03"
    status = 401

    def __init__(self) -> None:
        super().__init__(
            "Wrong name or password.",
            fix="An admin can set a new password on the page Access; the link that the panel printed at its start works as well.",
        )


class TooManyLoginsError(ProblemError):
    """Too many failed logins.

    After five attempts from one address, passwords from there are checked one a second, in the order in which they
    arrive, and too many are waiting already. The right password still logs in when its turn comes; so does, at once, the
    link that a panel without `PANEL_PASSWORD` prints at its start.
    """

    id = "AUTH-04"
    status = 429
    retryable = True

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s
        super().__init__(
            "Too many failed logins.",
            why="Passwords from your address are checked one after another, and too many are waiting.",
            fix=f"Try again in {math.ceil(wait_s)} s.",
        )


class WeakPasswordError(ProblemError):
    """The password is too weak.

    A password takes more than a hundred million guesses by the estimate of zxcvbn: four unrelated words do, or 12
    characters that are no well-known word or pattern. The panel does not start with a weak one in `PANEL_PASSWORD`, and no user can set one. Choose a longer one, or unset
    `PANEL_PASSWORD` and use the login link that is printed at start.
    """

    id = "AUTH-05"
    status = 422
    command = """PANEL_PASSWORD="$(python3 -c 'import secrets; print(secrets.token_urlsafe(18))')" make run"""

    def __init__(self) -> None:
        super().__init__(
            "The password is too weak.",
            why="It is short, or among the first that are guessed.",
            fix="Use 12 characters or more that are no well-known word or pattern, such as four unrelated words.",
        )


class WeakTokenError(ProblemError):
    """The token is too weak.

    A bearer token from a setting has at least 16 characters that look random. Generate one, for example with
    `python3 -c 'import secrets; print(secrets.token_urlsafe(32))'`.
    """

    id = "AUTH-06"
    command = "python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"

    def __init__(self, setting: str) -> None:
        super().__init__(
            f"{setting} is too weak.",
            why="It is shorter than 16 characters or easily guessed.",
            fix=f"Set {setting} to a random one.",
        )


class RoleRequiredError(ProblemError):
    """Your role does not allow this.

    Viewers look, operators also run, cancel, promote and upload, admins do everything, users and tokens included. A token
    has the rights of its scope. An admin can give you another role on the page Access.
    """

    id = "AUTH-08"
    status = 403

    def __init__(self, *, name: str, role: Role | None, required: Role) -> None:
        super().__init__(
            f"This needs the role {required}.",
            why=f"{name} has the role {role}." if role else f"The token {name} is for one service only.",
            fix="Ask an admin, who gives roles on the page Access.",
        )


class InvalidUserError(ProblemError):
    """The user cannot be saved.

    A name has 1 to 64 lower-case letters, digits and the characters `.`, `_`, `-`, `@`; the role is viewer, operator or
    admin; and one enabled admin has to remain.
    """

    id = "AUTH-09"
    status = 422

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what, fix=fix)


class UserNotFoundError(ProblemError):
    """There is no such user.

    It was removed or renamed meanwhile, or the name is misspelt. The page Access lists all users.
    """

    id = "AUTH-10"
    status = 404

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no user {name}.", fix="The page Access lists all users.")


class InvalidTokenRequestError(ProblemError):
    """The token cannot be made.

    A token has a name of 1 to 64 characters, a scope that is not above your own role, and expires within the next five
    years or never.
    """

    id = "AUTH-11"
    status = 422

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what, fix=fix)


class TokenNotFoundError(ProblemError):
    """There is no such token.

    It was revoked already, or belongs to somebody else. The page Access lists your tokens.
    """

    id = "AUTH-12"
    status = 404

    def __init__(self) -> None:
        super().__init__("There is no such token.", fix="The page Access lists your tokens.")


class SessionNotFoundError(ProblemError):
    """There is no such session.

    It has ended already, or belongs to somebody else. The page Access lists your sessions.
    """

    id = "AUTH-13"
    status = 404

    def __init__(self) -> None:
        super().__init__("There is no such session.", fix="The page Access lists your sessions.")


class UnknownServiceAddressError(ProblemError):
    """This address is not one of a service of this panel.

    A login was to be handed on to an address that the panel does not know, which could be somebody else's. Open the
    service from the panel's page Services. Behind a proxy, set its public address (`APP_PUBLIC_URL`, `MLFLOW_PUBLIC_URL`).
    """

    id = "AUTH-14"
    status = 400

    def __init__(self, address: str) -> None:
        super().__init__(
            f"{address[:100]} is not the address of a service of this panel.",
            why="A login is handed on only to addresses that the panel knows.",
            fix="Open the service from the page Services, or set its public address.",
        )


class ServiceAwayError(ProblemError):
    """The service is not running.

    A login is handed on only to a service that runs: while it does not, something else could answer at its address. The
    page Services shows what is wrong.
    """

    id = "AUTH-17"
    status = 503
    retryable = True

    def __init__(self, service: str) -> None:
        super().__init__(
            f"The service {service} is not running, so nobody can log in to it.",
            why="While it is away, something else could answer at its address.",
            fix="The page Services shows what is wrong; it is started again by itself.",
        )


class SharedHostNameError(ProblemError):
    """The service has the same host name as the panel.

    Browsers do not tell the ports of a host name apart when they send cookies, so the service would get the panel's login.
    Open the service by another name or address of the machine, and set that as its public address (`APP_PUBLIC_URL`,
    `MLFLOW_PUBLIC_URL`), so that the panel links to it.
    """

    id = "AUTH-16"
    status = 409

    def __init__(self, service: str) -> None:
        super().__init__(
            "The service has the same host name as the panel.",
            why="Your browser would send it the panel's login with each request.",
            fix=f"Open it by another name of this machine, and set {service.upper()}_PUBLIC_URL to that address.",
        )
