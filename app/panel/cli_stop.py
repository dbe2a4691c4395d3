"""`ml-pipeline down`, and what runs without a panel: works on the state folder, not over HTTP."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from app.panel import startup
from app.panel.problems import CannotStopError, ServicesInContainersError, StateFolderLockedError
from app.panel.settings import Settings

# A stage that runs is given ten seconds, services a few more.
STOP_S: Final = 60.0
UNSEEN_S: Final = 5.0  # a panel that is just starting has not said yet who it is
_POLL_S: Final = 0.1


def down(settings: Settings, *, within_s: float = STOP_S) -> int:
    """Stop the panel of this state folder, if one runs, and end all services, also those that a killed one left.

    Returns 0, also where nothing ran. Raises CannotStopError, ServicesInContainersError, StateFolderUnusableError.
    """
    from app.panel.services.factory import runtime_kind, services_dir
    from app.panel.services.process.records import Records
    from app.panel.services.process.runtime import ProcessRuntime
    from app.panel.services.protocol import SERVICES, TITLES
    from app.panel.services.specs import process_placement

    if runtime_kind(settings) != "process":
        raise ServicesInContainersError
    if not settings.state_dir.exists():
        print(_nothing(settings.state_dir))
        return 0
    running = Records(services_dir(settings)).running()
    lock, had_panel = _stopped(settings, within_s)
    with lock:  # no panel starts meanwhile
        runtime = ProcessRuntime(process_placement(settings), services_dir(settings))
        for name in SERVICES:
            runtime.stop(name)
    if had_panel:
        print("The panel is stopped.")
    for name in running:
        print(f"{TITLES[name]} is ended.")
    if not had_panel and not running:
        print(_nothing(settings.state_dir))
    return 0


def left_services(settings: Settings) -> str:
    """Return one sentence about the services that run without a panel, "" where none does."""
    from app.panel.services.factory import services_dir
    from app.panel.services.process.records import Records
    from app.panel.services.protocol import TITLES

    running = {} if startup.lock_owner(settings) is not None else Records(services_dir(settings)).running()
    named = ", ".join(
        f"{TITLES[name]} on port {record.port} (process {record.leader.get('pid')})" for name, record in running.items()
    )
    if not named:
        return ""
    return f"Without a panel there still runs: {named}. `ml-pipeline up` takes over, `ml-pipeline down` ends it."


def _stopped(settings: Settings, within_s: float) -> tuple[IO[str], bool]:
    """Return the lock of the state folder, once the panel that had it was asked to stop and did, and whether one had it."""
    begun = time.monotonic()
    asked: int | None = None
    while True:
        try:
            return startup.lock(settings), asked is not None
        except StateFolderLockedError as problem:
            waited_s = time.monotonic() - begun
            if asked is None and waited_s >= min(UNSEEN_S, within_s):
                raise CannotStopError(problem.why, "Its process is not seen from here.") from problem
            if waited_s >= within_s:
                raise CannotStopError(problem.why, f"It did not stop within {within_s:g} s.") from problem
        if asked is None and (asked := startup.lock_owner(settings)) is not None:
            with suppress(ProcessLookupError):
                os.kill(asked, signal.SIGINT)  # as Ctrl-C: what is its own user's, this one may end
        time.sleep(_POLL_S)


def _nothing(folder: Path) -> str:
    return f"Nothing runs for the state folder {folder}."
