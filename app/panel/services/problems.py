"""Problems with the services and with the machine, whichever runtime is used."""

import os
import shlex
from pathlib import Path

from app.panel.disk_room import Room
from app.panel.services.protocol import TITLES, ServiceName
from pipeline.core.problems import ProblemError


class PortTakenError(ProblemError):
    """A port is taken.

    Another program listens on the port that a service needs; the message names it where it is known. Stop that program,
    or give the service another port with the variable that the message names, and start again. The supervisor retries
    and uses the port as soon as it is free. A service that the panel of another state folder has left is ended by
    `ml-pipeline down` with that folder as `ML_PIPELINE_STATE`.
    """

    id = "PORT-01"
    status = 409
    retryable = True

    def __init__(self, port: int, setting: str, *, holder: str, free_port: int, container: str = "") -> None:
        if container:
            why = f"{container} must be published on that port."
            fix = f"Stop it, or choose another port with {setting}. The pipeline itself still works."
        else:
            why = "Two programs cannot listen on one port."
            fix = f"Stop it, or set {setting} to a free port and start again."
        start = "docker compose up -d" if container else "make run"
        super().__init__(
            f"Port {port} is used by {holder}.", why=why, fix=fix, command=f"{setting}={free_port} {start}"
        )


class ServiceStartError(ProblemError):
    """A service cannot be started.

    The system could not start a process: there are too many, memory is short, or a program is missing. The supervisor
    retries with growing delays. See `ml-pipeline doctor`. With Docker, the container was created but its program does
    not start; `docker logs ml-api` shows its last output. What it was to replace is kept as long as it serves.
    """

    id = "SVC-01"
    status = 503
    retryable = True

    @classmethod
    def of_process(cls, name: ServiceName, why: str) -> "ServiceStartError":
        """Return the problem of a process that the system did not start."""
        return cls(
            f"{TITLES[name]} cannot be started.",
            why=why,
            fix="Check whether the machine is out of processes or memory.",
            command="ml-pipeline doctor",
        )

    @classmethod
    def of_replacement(cls, name: ServiceName, why: str) -> "ServiceStartError":
        """Return the problem of a process that does not come up; its predecessor is still there."""
        return cls(
            f"The new {TITLES[name]} does not start; the old one keeps serving.",
            why=why,
            fix="Read its last output on the Services page.",
            command="ml-pipeline status",
        )

    @classmethod
    def of_container(cls, container: str, why: str, *, old_serves: bool) -> "ServiceStartError":
        """Return the problem of a container that does not come up; `old_serves`: its predecessor is still there."""
        return cls(
            f"The new {container} does not start; the old one keeps serving."
            if old_serves
            else f"{container} cannot be started.",
            why=why,
            fix="Read its last output.",
            command=f"docker logs --tail 50 {container}",
        )


class ServiceNotReadyError(ProblemError):
    """A service did not become ready in time.

    It was started but does not respond as it should. Its log on the Services page says why; the supervisor keeps
    trying.
    """

    id = "SVC-02"
    status = 503
    retryable = True
    command = "ml-pipeline status"

    def __init__(self, name: ServiceName, reason: str, timeout_s: float) -> None:
        super().__init__(
            f"{TITLES[name]} is not ready after {timeout_s:.0f} s.",
            why=reason or "It did not respond in time.",
            fix="Read its log on the Services page; the supervisor keeps trying.",
        )


class ServiceEndedError(ProblemError):
    """A service ended unexpectedly.

    The panel did not stop it, and as far as is known it did not run out of memory (that is DOCK-11); the message has
    its exit code, or says that it was removed or restarted from outside the panel. It is restarted automatically, after
    1, 2, 4 ... 60 s if it keeps ending. Its last output is on the Services page. A deployment that waited for it is
    tried again with the run's next attempt.
    """

    id = "SVC-03"
    status = 503
    retryable = True
    command = "ml-pipeline status"

    def __init__(self, name: ServiceName, reason: str) -> None:
        super().__init__(
            f"{TITLES[name]} ended. {reason}",
            why="The panel did not stop it.",
            fix="It is restarted automatically. If this repeats, read its log on the Services page.",
        )


class RunsAsRootError(ProblemError):
    """A service runs as root.

    Started by root, the panel gives MLflow another user, so that whoever finds a hole in MLflow is not root. That user
    has to read Python, the packages and the code of the panel, and to reach its store, and cannot: often because they are below
    /root. Everything works. Run the panel as an ordinary user, or in Docker, or install it where every user can read.
    """

    id = "SVC-04"

    def __init__(self, name: ServiceName) -> None:
        super().__init__(
            f"{TITLES[name]} runs as root.",
            why="The panel was started by root, and no other user can read its Python, its code or its folders.",
            fix="Run the panel as an ordinary user or in Docker, or install it where every user can read.",
        )


class FolderNotWritableError(ProblemError):
    """A folder is not writable.

    The data, state or models folder belongs to another user than the one that runs the panel. Give it to that user with
    the command in the message, or choose another folder.
    """

    id = "PERM-01"

    def __init__(self, folder: Path, setting: str, *, owner_uid: int) -> None:
        super().__init__(
            f"Cannot write to {folder}.",
            why=f"It belongs to user {owner_uid}, and the panel runs as {os.geteuid()}.",
            fix=f"Give it to this user, or set {setting} to another folder.",
            command=f"sudo chown -R {os.geteuid()} {folder}",
        )


class LowDiskError(ProblemError):
    """The disk is getting full.

    A disk of the folders of state, processed data, models or temporary files has less room than three runs need there; with
    less than one needs, no run is started (DISK-01 has the figures). Remove other files: the panel itself keeps only the
    models of the newest 50 runs, the newest 20 published versions and the newest 3 prepared sets.
    """

    id = "DISK-02"

    def __init__(self, room: Room) -> None:
        can_run = room.free_bytes >= room.needed_bytes
        super().__init__(
            f"Only {room.free_bytes / 2**30:.1f} GB are free on the disk of {room.where}.",
            why=room.explained if can_run else f"No run is started. {room.explained}",
            fix="Remove other files there; the panel removes old runs and models itself.",
            command=f"df -h {shlex.join(str(folder) for folder in room.folders)}",
            retryable=can_run,
        )


class LowMemoryError(ProblemError):
    """Little memory is available.

    Training on the built-in table and the three services together need about 1 GB. With less, the system may kill a
    stage; the served model is not affected. Close other programs, or use a smaller table.
    """

    id = "MEM-01"
    retryable = True
    command = "free -h"

    def __init__(self, available_bytes: int) -> None:
        super().__init__(
            f"Only {available_bytes / 2**30:.1f} GB of memory are available.",
            why="Training on the built-in table and the three services need about 1 GB.",
            fix="Close other programs, or use a smaller table.",
        )


class NetworkFileSystemError(ProblemError):
    """The state folder is on a network file system.

    SQLite's file locks are unreliable on such file systems, so the history could be damaged. Set ML_PIPELINE_STATE to a
    folder on a local disk, or in containers use the named volume, which is the default.
    """

    id = "FS-01"
    retryable = True
    command = "ML_PIPELINE_STATE=/var/tmp/ml-pipeline make run"

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"The state folder is on {kind}, a network or shared file system.",
            why="SQLite's locks are not reliable there; the history could be damaged.",
            fix="Set ML_PIPELINE_STATE to a folder on a local disk.",
        )


class MlflowNotInstalledError(ProblemError):
    """MLflow is not installed.

    The panel's environment has no MLflow. Runs, serving and the history work; tracking is off until it is installed:
    `.venv/bin/python -m pip install --require-hashes -r requirements/panel.txt`, or with Docker, where it is part of
    the image, `docker compose up -d --build`.
    """

    id = "MLF-03"
    retryable = True
    command = ".venv/bin/python -m pip install --require-hashes -r requirements/panel.txt    # or: docker compose up -d --build"

    def __init__(self) -> None:
        super().__init__(
            "MLflow is not installed.",
            why="Runs work without it; their records are kept and delivered later.",
            fix="Install the panel's requirements; with Docker, rebuild the image.",
        )


class DriftNeedsKeyError(ProblemError):
    """Drift starts no run.

    `DRIFT_STARTS_RUN` is on, but the prediction API has no key: anybody who reaches it could send the rows that decide
    about a run. Set `API_KEY` or `API_KEY_FILE` and start the panel again; until then drift is shown and starts nothing.
    """

    id = "DRIFT-01"
    # It is a warning: nothing else waits for it.
    retryable = True

    def __init__(self) -> None:
        super().__init__(
            "Drift starts no run.",
            why="Without a key of the prediction API anybody can send the rows that would decide.",
            fix="Set API_KEY, and start the panel again.",
        )


class UnknownServiceError(ProblemError):
    """There is no such service.

    The services are `mlflow`, `api` and `app`. Correct the name.
    """

    id = "SVC-05"
    status = 404

    def __init__(self, name: str) -> None:
        super().__init__(
            "There is no such service.", why=f"{name[:80]!r} is none of mlflow, api, app.", fix="Correct the name."
        )
