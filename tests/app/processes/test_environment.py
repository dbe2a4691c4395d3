"""What a child is given of its parent's environment: names on a list, whatever else there is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.processes.environment import BASIC, NETWORK, clean, restrict

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put four variables in the place of all others, for one test."""
    for name in os.environ:
        monkeypatch.delenv(name)
    for name in ("PATH", "HTTPS_PROXY", "PANEL_PASSWORD", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, f"value of {name}")


def test_only_what_is_listed_is_kept_when_there_are_secrets() -> None:
    assert clean() == {"PATH": "value of PATH"}
    assert clean(NETWORK, frozenset({"MISSING"})).keys() == {"PATH", "HTTPS_PROXY"}


def test_nothing_else_is_left_for_any_child_when_the_process_has_been_restricted() -> None:
    restrict()
    assert dict(os.environ) == {"PATH": "value of PATH"}


@pytest.mark.process
def test_what_the_pipeline_sets_for_its_libraries_is_kept_when_the_process_has_been_restricted() -> None:
    say = "import os; before = set(os.environ); import pipeline; print(*sorted(set(os.environ) - before))"
    env = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", say], env=env, capture_output=True, text=True, check=True, timeout=60)
    added = done.stdout.split()
    assert "ORT_DISABLE_TELEMETRY" in added
    assert set(added) <= BASIC
