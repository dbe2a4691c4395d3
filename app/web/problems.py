"""The problems that the guard in front of the panel and the prediction app answers with."""

from typing import Final

from pipeline.core.problems import ProblemError

MIB: Final = 2**20


class HostNotAllowedError(ProblemError):
    """This server does not answer to that host name.

    The host name in the request is not one that this server is configured for; this keeps other sites from reaching it
    through a host name of theirs that resolves to this machine (DNS rebinding). Use `127.0.0.1` or `localhost`, or add
    the name to `PANEL_ALLOWED_HOSTS`, as `NAME:443` behind an HTTPS proxy.
    """

    id = "WEB-01"
    status = 421

    def __init__(self, hosts: list[str]) -> None:
        super().__init__(
            "This server does not answer to that host name.",
            why=f"The request named {hosts[0][:80]!r}."
            if len(hosts) == 1
            else f"The request has {len(hosts)} Host headers instead of one.",
            fix="Use 127.0.0.1 or localhost, or add the name to PANEL_ALLOWED_HOSTS.",
        )


class CrossOriginError(ProblemError):
    """The request came from another site and was refused.

    A page of another site, or of another port on this machine, tried to change or read something here. Use this site's
    own pages; a script sends the API token instead.
    """

    id = "WEB-02"
    status = 403
    command = "curl -H 'Authorization: Bearer TOKEN' ..."

    def __init__(self, origin: str) -> None:
        super().__init__(
            "The request came from another site and was refused.",
            why=f"It was sent by {origin[:80]}.",
            fix="Use this site's own pages; in a script, send the API token.",
        )


class BodyTooLargeError(ProblemError):
    """The request is too large.

    The body is larger than this path accepts. Send less, or copy the file into `data/raw` yourself.
    """

    id = "WEB-03"
    status = 413

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            "The request is too large.",
            why=f"This path accepts at most {limit_bytes / MIB:.0f} MB.",
            fix="Send less, or copy the file into data/raw yourself.",
        )
        self.limit_bytes = limit_bytes


class BodyTooSlowError(ProblemError):
    """The request did not arrive in time.

    Its body came too slowly: it may take a minute, and a second more for each 16 KB. Try again over a faster
    connection, or copy the file into `data/raw` yourself.
    """

    id = "WEB-08"
    status = 408

    def __init__(self, min_bytes_per_s: int) -> None:
        super().__init__(
            "The request did not arrive in time.",
            why=f"Its body came at less than {min_bytes_per_s // 1024} KB per second.",
            fix="Try again over a faster connection, or copy the file into data/raw yourself.",
        )


class TooManyTokensError(ProblemError):
    """Too many wrong tokens.

    More than 20 wrong tokens or keys came from this address within a minute. A right one is accepted all the same. What
    the panel refused is in its audit, what a service refused in the log of the service.
    """

    id = "AUTH-15"
    status = 429
    retryable = True
    wait_s = 60.0

    def __init__(self) -> None:
        super().__init__(
            "Too many wrong tokens.",
            why="More than 20 came from your address within a minute.",
            fix="Check the token; a right one is accepted at any time.",
        )


class LoginElsewhereError(ProblemError):
    """This service needs the panel's login.

    Open it in a browser that is logged in to the panel, or send a token as `Authorization: Bearer TOKEN`. Tokens are made
    on the panel's page Access; for MLflow's clients `MLFLOW_TRACKING_TOKEN` holds it.
    """

    id = "WEB-20"
    status = 401
    command = "curl -H 'Authorization: Bearer TOKEN' ..."

    def __init__(self) -> None:
        super().__init__(
            "This service needs the panel's login.",
            why="The request carried neither a session of this service nor a valid token.",
            fix="Open it from the panel, or send a token that was made on the panel's page Access.",
        )
