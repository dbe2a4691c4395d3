"""Problems with starting the panel, and with calling it from `ml-pipeline`."""

from pathlib import Path
from typing import Self

from pipeline.core.problems import ProblemError


class StateFolderUnusableError(ProblemError):
    """The state folder cannot be used.

    Nothing can be written there: it is not writable for the user who runs the panel, or its disk is full or failing.
    Free some space, make the folder writable, or set `ML_PIPELINE_STATE` to another one. Exit code 78.
    """

    id = "PANEL-03"

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(
            f"The state folder {folder} cannot be used.",
            why=f"{error.strerror}.",
            fix="Free space on its disk, make it writable for this user, or set ML_PIPELINE_STATE to another one.",
        )


class StateFolderLockedError(ProblemError):
    """Another panel uses this state folder.

    Two panels on one state folder would run two pipelines at once. The message names the process. Use that panel, stop
    it, or set `ML_PIPELINE_STATE` to another folder. Exit code 75.
    """

    id = "PANEL-04"

    def __init__(self, folder: Path, owner: str) -> None:
        super().__init__(
            f"Another panel uses the state folder {folder}.",
            why=f"It is locked by {owner}.",
            fix="Use that panel, stop it, or set ML_PIPELINE_STATE to another folder.",
        )


class CannotListenError(ProblemError):
    """The panel cannot listen on its port.

    Another program listens on the panel's port, or the address does not exist on this machine. Stop that program, or
    choose another port with `PANEL_PORT`. Exit code 78.
    """

    id = "PANEL-05"

    @classmethod
    def port_in_use(cls, port: int) -> Self:
        """Return the problem of a port on which another program listens."""
        return cls(
            f"Port {port} is already in use.",
            why="Another program is listening on it.",
            fix="Stop that program, or choose another port.",
            command=f"make run PANEL_PORT={port + 1}",
        )

    @classmethod
    def bad_address(cls, host: str, port: int, error: OSError) -> Self:
        """Return the problem of an address that this machine does not have."""
        return cls(
            f"The panel cannot listen on {host}:{port}.",
            why=f"{error.strerror}.",
            fix="Correct PANEL_HOST and PANEL_PORT.",
        )


class PanelUnreachableError(ProblemError):
    """The panel does not respond.

    `ml-pipeline` found nothing at the panel's address. Start the panel with `ml-pipeline up`, or set `PANEL_HOST` and
    `PANEL_PORT` to where it is.
    """

    id = "PANEL-07"
    command = "ml-pipeline up"

    def __init__(self, url: str, error: Exception) -> None:
        super().__init__(
            f"The panel does not respond at {url}.",
            why=f"{str(error).rstrip('.') or type(error).__name__}.",
            fix="Start it, or set PANEL_PORT to its port.",
        )


class NotThePanelError(ProblemError):
    """Something other than the panel responded.

    What responded at the panel's address is not the panel. Check `PANEL_HOST` and `PANEL_PORT`.
    """

    id = "PANEL-08"

    def __init__(self, status: int) -> None:
        super().__init__(
            f"Something other than the panel responded, with status {status}.",
            fix="Check PANEL_HOST and PANEL_PORT.",
            status=status,
        )


class UnknownSettingError(ProblemError):
    """A name in the environment is not a setting.

    It has the prefix of a setting or is one typo away from one, but has no effect; the message suggests the setting
    that was probably meant. The panel starts anyway.
    """

    id = "PANEL-09"

    def __init__(self, name: str, suggestion: str | None) -> None:
        super().__init__(
            f"{name} is not a setting and has no effect.",
            fix=f"Did you mean {suggestion}?" if suggestion else "docs/settings.md lists all settings.",
        )


class SharedHostNameError(ProblemError):
    """A service has the host name of the panel.

    A browser sends the panel's cookie, its login, to every port of a host name. A service whose public address has the
    panel's host name would get it, and whoever breaks into the service would have the panel. Give each service a host
    name of its own, such as `mlflow.example` beside `panel.example`. Exit code 78.
    """

    id = "PANEL-10"

    def __init__(self, setting: str, host: str) -> None:
        super().__init__(
            f"{setting} has the host name of PANEL_PUBLIC_URL, {host}.",
            why="Browsers would send the panel's login to that service: a cookie goes to all ports of a host name.",
            fix="Give the service a host name of its own.",
        )


class CannotStopError(ProblemError):
    """The panel cannot be stopped from here.

    `ml-pipeline down` asks the panel of this state folder to stop, and it did not within a minute, or it runs where this
    terminal does not see it, such as in a container. Stop it there, or kill it, and run `ml-pipeline down` again: that
    ends the services that it leaves.
    """

    id = "PANEL-12"
    command = "ml-pipeline down"

    def __init__(self, owner: str, why: str) -> None:
        super().__init__(
            f"The panel cannot be stopped. {owner}",
            why=why,
            fix="Stop it where it runs, or kill it; then try again.",
        )


class ServicesInContainersError(ProblemError):
    """The services are containers.

    `ml-pipeline down` ends services that are processes of this machine. With Docker, Compose ends them:
    `docker compose --profile all down`.
    """

    id = "PANEL-13"
    command = "docker compose --profile all down"

    def __init__(self) -> None:
        super().__init__("The services are containers.", fix="End them with Docker Compose.")


class PasswordsDifferError(ProblemError):
    """The two passwords differ.

    The terminal asks for a new password twice, because it does not show it. Nothing was changed; enter it again.
    """

    id = "PANEL-11"

    def __init__(self) -> None:
        super().__init__("The two passwords differ.", fix="Enter it again; nothing was changed.")
