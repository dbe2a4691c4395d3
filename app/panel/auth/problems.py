"""Problems with logging in, and with the secrets behind it."""

import math

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
    """Wrong password.

    What was entered is not the password that the panel was started with. It is in `PANEL_PASSWORD` or in the file that
    `PANEL_PASSWORD_FILE` names. To change it, change it there and restart the panel: that also ends all sessions.
    """

    id = "AUTH-03"
    status = 401

    def __init__(self, *, uses_password: bool) -> None:
        super().__init__(
            "Wrong password." if uses_password else "This panel has no password.",
            why="" if uses_password else "It was started without PANEL_PASSWORD.",
            fix="It is set in PANEL_PASSWORD, or in the file that PANEL_PASSWORD_FILE names, where the panel was started."
            if uses_password
            else "Open the login link that the panel printed when it started.",
        )


class TooManyLoginsError(ProblemError):
    """Too many failed logins.

    After five wrong passwords from one address, each further attempt has to wait up to 30 s. The message says how long.
    """

    id = "AUTH-04"
    status = 429
    retryable = True

    def __init__(self, wait_s: float) -> None:
        super().__init__(
            "Too many failed logins.",
            why="Logins are rate-limited after repeated failures.",
            fix=f"Wait {math.ceil(wait_s)} s and try again.",
        )


class WeakPasswordError(ProblemError):
    """The panel's password is too weak.

    It has fewer than 8 characters or is among the most common passwords, so the panel does not start with it. Choose a
    longer one, or unset `PANEL_PASSWORD` and use the login link that is printed at start.
    """

    id = "AUTH-05"
    command = """PANEL_PASSWORD="$(python3 -c 'import secrets; print(secrets.token_urlsafe(18))')" make run"""

    def __init__(self, min_length: int) -> None:
        super().__init__(
            "The panel's password is too weak.",
            why=f"It has fewer than {min_length} characters or is among the most common passwords.",
            fix="Set a longer one, or none: then a login link is printed at start.",
        )


class ShortTokenError(ProblemError):
    """The API token is too short.

    A bearer token has at least 16 characters. Generate a random one, for example with
    `python3 -c 'import secrets; print(secrets.token_urlsafe(32))'`.
    """

    id = "AUTH-06"
    command = "python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"

    def __init__(self, min_length: int) -> None:
        super().__init__(
            "The API token is too short.",
            why=f"A token has at least {min_length} characters.",
            fix="Set PANEL_API_TOKEN to a random one.",
        )
