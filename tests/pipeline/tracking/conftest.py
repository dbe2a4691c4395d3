"""A real MLflow server, the record of a run, and deliveries of it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.params import Params
from tests.builders.mlflow_server import mlflow_server
from tests.pipeline.cycle import odd_table, run_stages

QUIET = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


@pytest.fixture(scope="module")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture(scope="module")
def server(server_folder: Path) -> Iterator[str]:
    with mlflow_server(server_folder) as uri:
        yield uri


@pytest.fixture
def make_foreign(server: str, server_folder: Path) -> Callable[[str, str], str]:
    """Return a function that creates an experiment with an artifact location of its own, past the server, and returns its id."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    assert server
    store = SqlAlchemyStore(f"sqlite:///{server_folder / 'state' / 'mlflow' / 'mlflow.db'}", "mlflow-artifacts:/")
    return lambda name, location: str(store.create_experiment(name, location))


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cycle = run_stages(
        tmp_path_factory.mktemp("run"),
        odd_table().drop(columns=["level", "price"]),
        Params(target="yes", estimator="linear"),
    )
    assert cycle.code == 0, cycle.events[-1]
    return cycle.run_dir / "record"


def deliver(
    record: Path, uri: str, *options: str, env: dict[str, str] | None = None
) -> tuple[int, dict[str, Any], float]:
    """Return the exit code of a delivery, the line of JSON that it wrote, and how many seconds it took."""
    start_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.tracking.delivery", str(record), "--tracking-uri", uri, *options],
        capture_output=True,
        text=True,
        env=os.environ | QUIET | (env or {}),
        timeout=120,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 1, done.stdout + done.stderr
    return done.returncode, json.loads(lines[0]), time.monotonic() - start_s
