"""One delivery: a process of its own with MLflow's client in it, bounded in time, at low priority."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from app.processes.child import CODE_DIR, start
from app.processes.environment import NETWORK, clean
from pipeline.core.problems import ProblemError
from pipeline.core.temporary import own_folder

TIMEOUT_S: Final = 120.0
NICENESS: Final = 10
# How patient MLflow's client is, and whom it trusts: the user's values win over those of the delivery.
MLFLOW_SETTINGS: Final = frozenset(
    {
        "MLFLOW_HTTP_REQUEST_TIMEOUT",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR",
        "MLFLOW_TRACKING_INSECURE_TLS",
        "MLFLOW_TRACKING_SERVER_CERT_PATH",
    }
)
# The exit code of `pipeline.tracking.delivery` for a record that can never be delivered.
NEVER: Final = 2
COMMAND: Final = (sys.executable, "-m", "pipeline.tracking.delivery")


@dataclass(frozen=True)
class Delivered:
    """MLflow has the record."""

    mlflow_run_id: str
    mlflow_version: str | None


@dataclass(frozen=True)
class NotDelivered:
    """MLflow does not have the record; `error` is one line, with id and advice if known. `is_final`: it never will, as nothing is left to deliver."""

    error: str
    is_final: bool = False


class Deliver(Protocol):
    """Delivers one record."""

    def __call__(self, folder: Path, tracking_uri: str, token: str) -> Delivered | NotDelivered:
        """Return the result of a delivery that logs in with `token`. Sync; never raises for what MLflow or the network does."""


class Delivery:
    """Runs `command`, whose first member is an absolute path. `cert` is the only one accepted of MLflow at https."""

    def __init__(
        self, command: Sequence[str] = COMMAND, timeout_s: float = TIMEOUT_S, cert: Path | None = None
    ) -> None:
        self._command = tuple(command)
        self._timeout_s = timeout_s
        # Noted now: the panel drops what it does not need itself before it serves.
        self._env = {**clean(NETWORK, MLFLOW_SETTINGS), "MLFLOW_DISABLE_TELEMETRY": "true"}
        if cert is not None:
            self._env["PANEL_TLS_CERT"] = str(cert.absolute())

    def __call__(self, folder: Path, tracking_uri: str, token: str) -> Delivered | NotDelivered:
        """See Deliver."""
        try:
            with own_folder() as temporary:
                return self._deliver(folder, tracking_uri, token, temporary)
        except OSError as error:
            return NotDelivered(f"The delivery could not be started: {error.strerror or error}.")

    def _deliver(self, folder: Path, tracking_uri: str, token: str, temporary: Path) -> Delivered | NotDelivered:
        child = start(
            [*self._command, str(folder), "--tracking-uri", tracking_uri],
            cwd=CODE_DIR,
            env={**self._env, "TMPDIR": str(temporary)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with contextlib.suppress(OSError):
            # The next run matters more.
            os.setpriority(os.PRIO_PROCESS, child.pid, NICENESS)
        try:
            finished = child.communicate(token.encode(), timeout_s=self._timeout_s)
        except TimeoutError:
            return NotDelivered(f"MLflow did not accept the record within {self._timeout_s:.0f} s.")
        out, err = (text.decode("utf-8", "replace") for text in (finished.stdout, finished.stderr))
        return outcome(finished.exit_code, out, err)


def outcome(code: int, out: str, err: str) -> Delivered | NotDelivered:
    """Return the result of a delivery that ended with exit code `code` and wrote `out` and `err`. Pure."""
    members = _last_object(out)
    run_id = members.get("mlflow_run_id")
    if code == 0 and isinstance(run_id, str):
        version = members.get("model_version")
        return Delivered(run_id, None if version is None else str(version))
    lines = [line.strip() for line in err.splitlines() if line.strip()]
    reason = str(ProblemError.restore(members)) if members.get("what") else lines[-1] if lines else ""
    # Python itself can exit with 2; only a delivery that gives a reason is final.
    return NotDelivered(reason or f"The delivery ended with exit code {code}.", code == NEVER and bool(members))


def _last_object(out: str) -> dict[str, object]:
    """Return the last line that is a JSON object; {} if there is none."""
    for line in reversed(out.splitlines()):
        with contextlib.suppress(ValueError):
            members = json.loads(line)
            if isinstance(members, dict):
                return members
    return {}
