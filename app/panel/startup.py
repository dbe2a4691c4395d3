"""What must hold before the panel serves: settings that make sense, a state folder and a port of its own."""

import argparse
import errno
import fcntl
import os
import secrets
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from app.panel.settings import Settings
from pipeline.core.problems import ProblemError
from pipeline.core.settings import env_name, read

EXIT_BUSY: Final = 75  # sysexits: try again later; another panel has the folder
EXIT_CONFIG: Final = 78  # sysexits: something is configured in a way that cannot work
EXIT_CODES: Final = {"PANEL-04": EXIT_BUSY}
LOCK_FILE: Final = "panel.lock"
CLI_TOKEN_FILE: Final = "cli-token"  # noqa: S105 - a file's name
_SHORT: Final = {"panel_host": ("--host",), "panel_port": ("--port",)}


def read_settings(argv: Sequence[str]) -> Settings:
    """Settings from the command line over the environment over `ml-pipeline.toml` over defaults.

    Raises InvalidSettingError, which names each setting that is not valid. `--help` and unknown options end the
    program as argparse does.
    """
    parser = argparse.ArgumentParser(prog="python -m app.panel", description="The control panel.", allow_abbrev=False)
    for name, field in Settings.model_fields.items():
        env = env_name(Settings, name)
        flags = (*_SHORT.get(name, ()), "--" + env.lower().replace("_", "-"))
        parser.add_argument(*flags, dest=name, metavar="VALUE", help=f"{field.description} [{env}]".replace("%", "%%"))
    options = {name: value for name, value in vars(parser.parse_args(argv)).items() if value is not None}
    return read(Settings, options)


def lock(settings: Settings) -> IO[str]:
    """The locked file; as long as it is open no other panel can use this state folder. Raises PANEL-04 naming the owner.

    The system lets go of the lock when the process ends, however it ends.
    """
    path = settings.state_dir / LOCK_FILE
    try:
        settings.state_dir.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise _unusable(settings.state_dir, error) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        owner = file.read(200).strip() or "another process"
        file.close()
        raise ProblemError(
            "PANEL-04",
            f"Another panel uses the state folder {settings.state_dir}.",
            why=f"It is held by {owner}.",
            fix="Use that one, stop it, or name another folder in ML_PIPELINE_STATE.",
        ) from error
    file.truncate(0)
    # The lock holds without the name of its owner; a full disk must not keep the panel away.
    with suppress(OSError):
        os.write(file.fileno(), f"process {os.getpid()} on port {settings.panel_port}\n".encode())
    return file


def listen(settings: Settings) -> socket.socket:
    """A socket bound to the panel's address, not yet listening. Raises ProblemError PANEL-05 if that cannot be had."""
    host, port = settings.panel_host, settings.panel_port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise ProblemError(
            "PANEL-05",
            f"Port {port} is taken." if taken else f"The panel cannot listen on {host}:{port}.",
            why="Another program listens on it." if taken else f"{error.strerror}.",
            fix="Stop that program, or choose another port." if taken else "Correct PANEL_HOST and PANEL_PORT.",
            command=f"make run PANEL_PORT={port + 1}" if taken else "",
        ) from error
    return listener


def cli_token(state_dir: Path) -> str:
    """The token with which `ml-pipeline` on this machine logs in; made at the first start, readable by its owner only.

    Raises ProblemError PANEL-03 where it can be neither read nor written.
    """
    path = state_dir / CLI_TOKEN_FILE
    try:
        token = path.read_text("utf-8").strip() if path.exists() else ""
        if not token:
            token = secrets.token_urlsafe(32)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                file.write(token + "\n")
    except OSError as error:
        raise _unusable(state_dir, error) from error
    return token


def _unusable(state_dir: Path, error: OSError) -> ProblemError:
    return ProblemError(
        "PANEL-03",
        f"The state folder {state_dir} cannot be used.",
        why=f"{error.strerror}.",
        fix="Free space on its disk, make it writable for this user, or name another one in ML_PIPELINE_STATE.",
    )
