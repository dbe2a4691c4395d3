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

from app.processes.child import start

TIMEOUT_S: Final = 120.0
NICENESS: Final = 10
SECRETS: Final = ("PANEL_PASSWORD", "PANEL_API_TOKEN", "API_KEY")
ROOT: Final = Path(__file__).resolve().parent.parent.parent.parent
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
    """It has not, and why, in one line. `is_final`: it never will, because there is nothing left to deliver."""

    error: str
    is_final: bool = False


class Deliver(Protocol):
    """Hands one record over."""

    def __call__(self, folder: Path, tracking_uri: str) -> Delivered | NotDelivered:
        """Sync; never raises for what MLflow or the network does."""


class Delivery:
    """Runs `command`, whose first member is an absolute path."""

    def __init__(self, command: Sequence[str] = COMMAND, timeout_s: float = TIMEOUT_S) -> None:
        self._command = tuple(command)
        self._timeout_s = timeout_s

    def __call__(self, folder: Path, tracking_uri: str) -> Delivered | NotDelivered:
        """See Deliver."""
        try:
            child = start(
                [*self._command, str(folder), "--tracking-uri", tracking_uri],
                cwd=ROOT,
                env=_environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            return NotDelivered(f"The delivery could not be started: {error.strerror or error}.")
        with contextlib.suppress(OSError):
            # The next run matters more.
            os.setpriority(os.PRIO_PROCESS, child.pid, NICENESS)
        try:
            out, err = child.communicate(timeout_s=self._timeout_s)
        except TimeoutError:
            return NotDelivered(f"MLflow did not take it within {self._timeout_s:.0f} s.")
        return outcome(child.exit_code or 0, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


def _environment() -> dict[str, str]:
    """The panel's, so that a proxy or an authority set there holds, without what opens panel and API."""
    kept = {name: value for name, value in os.environ.items() if name not in SECRETS}
    return {**kept, "MLFLOW_DISABLE_TELEMETRY": "true"}


def outcome(code: int, out: str, err: str) -> Delivered | NotDelivered:
    """What a delivery that ended with `code` and wrote this has done. Pure."""
    answer = _last_object(out)
    run_id = answer.get("mlflow_run_id")
    if code == 0 and isinstance(run_id, str):
        version = answer.get("model_version")
        return Delivered(run_id, None if version is None else str(version))
    lines = [line.strip() for line in err.splitlines() if line.strip()]
    said = " ".join(str(answer[key]) for key in ("what", "why") if answer.get(key)) or (lines[-1] if lines else "")
    # A start that fails ends with 2 in places; only a delivery that says why makes it final.
    return NotDelivered(said or f"The delivery ended with exit code {code}.", code == NEVER and bool(answer))


def _last_object(out: str) -> dict[str, object]:
    """The last line that is a JSON object; {} if there is none."""
    for line in reversed(out.splitlines()):
        with contextlib.suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict):
                return found
    return {}
