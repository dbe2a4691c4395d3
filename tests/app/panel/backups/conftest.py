"""The folders of a panel with two model versions, a run and MLflow's store, and no panel that runs."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

import app.panel.main  # noqa: F401 - declares every table
from app.panel.backups.make import make_backup
from app.panel.backups.place import Place
from app.panel.clock import SystemClock
from app.panel.settings import Settings
from tests.app.panel.db.history import change, fill
from tests.app.panel.registry.conftest import RegistryHarness

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
RUN = "20260101-000000-000001"
CLOCK = SystemClock()


def settings_in(folder: Path) -> Settings:
    """Return the settings of a panel whose folders lie in `folder`."""
    return Settings(data_dir=folder / "data", state_dir=folder, models_dir=folder / "models")


def write_history(folder: Path) -> Settings:
    """Write what a panel leaves that has run for a while, and return its settings."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = settings_in(folder)
    registry = RegistryHarness(folder)
    for run in (1, 2):
        registry.deploy(run)
    registry.close()
    fill(settings.database, 1)
    change(settings.database, "INSERT INTO known_device VALUES ('d', 'admin', '2026-01-01 00:00:00.000000')")
    run_dir = settings.runs_dir / RUN
    for name, content in (("log.jsonl", "{}\n"), ("plots/roc.svg", "<svg/>"), ("bundle/model.onnx", "x" * 99)):
        (run_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (run_dir / name).write_text(content)
    (settings.mlflow_dir / "artifacts" / "1").mkdir(parents=True)
    (settings.mlflow_dir / "artifacts" / "1" / "model.onnx").write_bytes(b"graph")
    with closing(sqlite3.connect(settings.mlflow_dir / "mlflow.db")) as connection:
        connection.execute("CREATE TABLE runs (id)")
        connection.commit()
    return settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a panel with a history; the working folder is its own, without a settings file."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return write_history(tmp_path / "one")


@pytest.fixture
def make(settings: Settings) -> Callable[[], Path]:
    """Return what makes a backup and returns its file."""

    def make() -> Path:
        backup = make_backup(settings, Place(settings.backup_place), NOW, threading.Event())
        return settings.state_dir / "backups" / backup.name

    return make
