"""Problems with the settings of a process."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.core.problems import ProblemError


class InvalidSettingError(ProblemError):
    """A setting is not valid.

    The message names each one, with its value and what is wrong with it; secrets are not shown. The command line wins
    over the environment, the environment over `ml-pipeline.toml`. [All settings](settings.md).
    """

    id = "CONF-01"

    def __init__(self, reasons: Sequence[str], *, on_command_line: bool) -> None:
        where = "on the command line" if on_command_line else "in the environment or in ml-pipeline.toml"
        super().__init__(
            "A setting is not valid." if len(reasons) == 1 else f"{len(reasons)} settings are not valid.",
            why="; ".join(reasons) + ".",
            fix=f"Correct it {where}; docs/settings.md lists all.",
        )


class UnreadableSettingsFileError(ProblemError):
    """The settings file cannot be read.

    `ml-pipeline.toml`, in the folder in which the panel is started, is not TOML. The message says in which line. It
    holds one `NAME = value` per line, with the names of [the settings](settings.md).
    """

    id = "CONF-02"

    def __init__(self, reason: str) -> None:
        super().__init__("The file ml-pipeline.toml cannot be read.", why=f"{reason}.", fix="Correct or remove it.")


class ExposedError(ProblemError):
    """A server would be open to the network without a secret.

    An address other than loopback can be reached by other machines, and somebody who has no password or key could
    train, predict or read there. Set the secrets that the message names, or leave the address at 127.0.0.1 and put a
    proxy with a login in front. In a container the panel looks at how its own ports are published: on 127.0.0.1 of the
    machine, as in `compose.yaml`, it needs no secret. Exit code 78.
    """

    id = "CONF-03"

    def __init__(self, setting: str, host: str, missing: Sequence[str]) -> None:
        super().__init__(
            f"{setting} is {host}, which other machines can reach, and {' and '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not set.",
            why="Whoever reaches that address could use it without a login.",
            fix=f"Set {' and '.join(f'{name}_FILE (or {name})' for name in missing)}, or set {setting}=127.0.0.1.",
        )


class UnusableTlsError(ProblemError):
    """Certificate or key cannot be used.

    `PANEL_TLS_CERT` and `PANEL_TLS_KEY` name two files in PEM format: a certificate, followed by the intermediate ones,
    and its private key without a passphrase. The message says which is missing, cannot be read or does not match.
    Exit code 78.
    """

    id = "CONF-04"

    def __init__(self, setting: str, reason: str) -> None:
        super().__init__(
            f"{setting} cannot be used.",
            why=f"{reason}.",
            fix="Name a certificate and its key in PEM format that this user may read, or unset both.",
        )


class UnusableSecretError(ProblemError):
    """A secret is empty or cannot be read.

    `PANEL_PASSWORD` or `PANEL_API_TOKEN` is set but empty, or the file that `PANEL_PASSWORD_FILE`,
    `PANEL_API_TOKEN_FILE` or `API_KEY_FILE` names cannot be read, is not text or is empty. The process does not start
    then, because an empty secret would let everybody in.
    """

    id = "AUTH-07"

    @classmethod
    def unreadable(cls, name: str, file: Path, reason: str) -> "UnusableSecretError":
        """Return the problem of a file that cannot be read as text."""
        return cls(
            f"The file that {name}_FILE names cannot be read.",
            why=f"{file}: {reason}.",
            fix=f"Make it readable, or unset {name}_FILE.",
        )

    @classmethod
    def empty(cls, name: str) -> "UnusableSecretError":
        """Return the problem of a secret without a character."""
        return cls(
            f"{name} is set but empty.",
            why="An empty secret would let everybody in.",
            fix=f"Give it a value, or unset {name}.",
        )
