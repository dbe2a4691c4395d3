"""Prepares a start of the panel: valid settings, a state folder and a port of its own."""

import argparse
import errno
import fcntl
import json
import os
import secrets
import socket
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, get_args

from pydantic import SecretStr

from app.panel.problems import CannotListenError, SharedHostNameError, StateFolderLockedError, StateFolderUnusableError
from app.panel.settings import Settings, host_of
from app.processes.tree import identity, is_running, pid_of
from app.web.exposure import check_exposure, is_loopback
from pipeline.core.settings import ApiAccess, env_name, read

EXIT_BUSY: Final = 75  # sysexits: try again later; another panel has the folder
EXIT_CONFIG: Final = 78  # sysexits: the configuration cannot work
EXIT_CODES: Final = {StateFolderLockedError.id: EXIT_BUSY}
LOCK_FILE: Final = "panel.lock"
PRIVATE: Final = 0o700
CLI_TOKEN_FILE: Final = "cli-token"  # noqa: S105 - a file's name
_SHORT: Final = {"panel_host": ("--host",), "panel_port": ("--port",)}


def read_settings(argv: Sequence[str]) -> Settings:
    """Return settings from the command line over the environment over `ml-pipeline.toml` over defaults.

    Raises InvalidSettingError, which names each setting that is not valid. `--help` and unknown options end the
    program as argparse does. A secret is no option: everybody on the machine can list the command lines of processes.
    """
    parser = argparse.ArgumentParser(prog="python -m app.panel", description="The control panel.", allow_abbrev=False)
    for name, field in Settings.model_fields.items():
        if SecretStr in get_args(field.annotation):
            continue
        env = env_name(Settings, name)
        flags = (*_SHORT.get(name, ()), "--" + env.lower().replace("_", "-"))
        parser.add_argument(*flags, dest=name, metavar="VALUE", help=f"{field.description} [{env}]".replace("%", "%%"))
    options = {name: value for name, value in vars(parser.parse_args(argv)).items() if value is not None}
    return read(Settings, options)


def check_addresses(settings: Settings) -> None:
    """Raise SharedHostNameError if a service's public address would get the panel's cookie."""
    own = host_of(settings.panel_public_url)
    for service, url in settings.public_urls.items():
        if own and host_of(url) == own:
            raise SharedHostNameError(f"{service.upper()}_PUBLIC_URL", own)


def check_exposed(settings: Settings, published: Callable[[], Collection[str] | None]) -> None:
    """Raise ExposedError if other machines could reach the panel and its services, and no password or no key is set.

    `published` is asked only then: it returns the addresses of the machine on which the panel's container is
    published, None for no container or an unknown one. Its services are published on `PUBLISH_ADDRESS`.
    """
    api = read(ApiAccess)
    secrets = {
        "PANEL_PASSWORD": settings.password is not None or settings.password_file is not None,
        "API_KEY": api.api_key is not None or api.api_key_file is not None,
    }
    if is_loopback(settings.panel_host) or all(secrets.values()):
        return
    addresses = published()
    if addresses is None or not all(is_loopback(address) for address in addresses):
        check_exposure("PANEL_HOST", settings.panel_host, secrets)
    check_exposure("PUBLISH_ADDRESS", settings.publish_address, secrets)


def lock(settings: Settings) -> IO[str]:
    """Return the locked file; as long as it is open no other panel can use this state folder.

    Its first line says to people who has it, its second one to `lock_owner`. The system releases the lock when the
    process ends, however it ends. Raises StateFolderLockedError that names its owner, StateFolderUnusableError where the
    folder cannot be used.
    """
    path = settings.state_dir / LOCK_FILE
    try:
        settings.state_dir.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise StateFolderUnusableError(settings.state_dir, error) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        owner = file.readline(200).strip() or "another process"
        file.close()
        raise StateFolderLockedError(settings.state_dir, owner) from error
    file.truncate(0)
    # The lock works without the name of its owner; a full disk must not prevent the start.
    with suppress(OSError):
        own = json.dumps(identity(os.getpid()))
        os.write(file.fileno(), f"process {os.getpid()} on port {settings.panel_port}\n{own}\n".encode())
    return file


def lock_owner(settings: Settings) -> int | None:
    """Return the process that last had the lock; None if it has ended, or runs where we do not see it.

    Does not try the lock: whoever did, just to look, could keep a panel from starting at that moment.
    """
    try:
        noted = json.loads((settings.state_dir / LOCK_FILE).read_text("utf-8").partition("\n")[2])
    except (OSError, ValueError):
        return None
    pid = pid_of(noted) if isinstance(noted, dict) else None
    return pid if pid is not None and is_running(pid) else None


def keep_private(settings: Settings) -> None:
    """Let nobody but the owner, and root, see what this process and its children write from now on, or wrote before.

    State, models and processed data are closed at their top. `data/raw` stays as its owner has it; the tables that the
    panel itself puts there are private as well.
    """
    os.umask(0o077)
    for folder in (settings.state_dir, settings.models_dir, settings.data_dir / "processed"):
        with suppress(OSError):  # there is none yet, or it belongs to somebody else, who decides
            folder.chmod(PRIVATE)
    for file in (LOCK_FILE, settings.database.name):  # seen from inside: a backup of the folder keeps its modes
        with suppress(OSError):
            (settings.state_dir / file).chmod(0o600)


def listen(settings: Settings) -> list[socket.socket]:
    """Return the sockets of the panel's address, not yet listening. Raises CannotListenError where that fails."""
    from app.web import server  # noqa: PLC0415  # the commands of the terminal read settings, and serve nothing

    host, port = settings.panel_host, settings.panel_port
    try:
        return server.listen(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotListenError.port_in_use(port) from error
        raise CannotListenError.bad_address(host, port, error) from error


def ensure_cli_token(state_dir: Path) -> str:
    """Return the token with which `ml-pipeline` on this machine logs in; made at the first start, private to its owner.

    Raises StateFolderUnusableError where it can be neither read nor written.
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
        raise StateFolderUnusableError(state_dir, error) from error
    return token
