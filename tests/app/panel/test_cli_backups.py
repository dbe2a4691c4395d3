"""`ml-pipeline backup`, `verify` and `restore`."""

import io
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx2 as httpx
import pytest

from app.panel import cli
from app.panel.backups.archive import BytesSource, write_archive
from app.panel.client import PanelClient
from app.panel.services.factory import services_dir
from app.panel.services.process.records import Record, Records
from app.panel.settings import Settings
from app.panel.startup import lock
from app.processes.tree import identity
from tests.app.panel.backups.conftest import make, settings

__all__ = ["make", "settings"]  # fixtures


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["ml-pipeline", *arguments])
    return cli.main()


@pytest.fixture
def folders(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ML_PIPELINE_STATE", str(settings.state_dir))
    monkeypatch.setenv("ML_PIPELINE_MODELS", str(settings.models_dir))
    return settings


def test_backup_is_described_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = io.BytesIO()
    groups = [
        [BytesSource(name, b"x" * 1000)] for name in ("state/runs/a/log.jsonl", "models/versions/b/manifest.json")
    ]
    write_archive(target, groups, version="1.2", schema_number="0001", now=datetime(2026, 1, 2, 3, 4, tzinfo=UTC))
    (tmp_path / "b.tar.gz").write_bytes(target.getvalue())
    assert run(monkeypatch, "verify", str(tmp_path / "b.tar.gz")) == 0
    expected = "of 2026-01-02 03:04 UTC by version 1.2, 2 files, 2 KB, 1 run, 1 model version."
    assert capsys.readouterr().out == f"The backup is whole: {expected}\n"
    (tmp_path / "b.tar.gz").write_bytes(target.getvalue()[:-150])
    assert run(monkeypatch, "verify", str(tmp_path / "b.tar.gz")) == 2
    assert capsys.readouterr().err.startswith("BACKUP-02: ")


def test_backup_is_restored_when_the_panel_is_stopped(
    folders: Settings,
    make: Callable[[], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    backup = str(make())
    with lock(folders):
        assert run(monkeypatch, "restore", "--replace", backup) == 2
    assert capsys.readouterr().err.startswith("PANEL-04: Another panel uses the state folder")
    assert run(monkeypatch, "restore", backup) == 2
    assert "ml-pipeline restore --replace FILE" in capsys.readouterr().err
    assert run(monkeypatch, "restore", "--replace", backup) == 0
    output = capsys.readouterr().out
    assert "1 run, 2 model versions" in output
    assert "What was there is in before-restore-" in output


def test_new_backup_is_named_when_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = ({"name": name, "n_bytes": 2000, "created_at": "2026-01-02T03:04:05Z"} for name in ("old", "new"))
    progress = {"running_since": None, "problem": None}
    running = {"running_since": "2026-01-02T03:04:05Z", "problem": None}
    answers = iter(
        [
            {},
            {"place": "s3://b", "place_problem": None, "progress": running, "backups": [old]},
            {"place": "s3://b", "place_problem": None, "progress": progress, "backups": [new, old]},
        ]
    )
    client = PanelClient(
        Settings(state_dir=tmp_path), httpx.MockTransport(lambda _: httpx.Response(200, json=next(answers)))
    )
    monkeypatch.setattr("app.panel.client.PanelClient", lambda _settings: client)
    assert run(monkeypatch, "backup") == 0
    assert capsys.readouterr().out == "new (2 KB) is in s3://b.\n"


def test_reason_is_printed_when_the_backup_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer: dict[str, object] = {
        "place": "x",
        "place_problem": None,
        "progress": {"running_since": None, "problem": "BACKUP-03: No."},
        "backups": [],
    }
    client = PanelClient(Settings(state_dir=tmp_path), httpx.MockTransport(lambda _: httpx.Response(200, json=answer)))
    monkeypatch.setattr("app.panel.client.PanelClient", lambda _settings: client)
    assert run(monkeypatch, "backup") == 1
    assert capsys.readouterr().err == "BACKUP-03: No.\n"


def test_nothing_is_restored_when_services_have_outlived_the_panel(
    folders: Settings,
    make: Callable[[], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    records = Records(services_dir(folders))
    started_at = datetime.now(UTC).isoformat()
    this = Record(records.mark(), identity(os.getpid()), "digest", 5000, "1", started_at, is_unconfined=False)
    records.write("mlflow", this)
    assert run(monkeypatch, "restore", "--replace", str(make())) == 2
    assert capsys.readouterr().err.startswith("BACKUP-10: Services still run")
    records.remove("mlflow")
    assert run(monkeypatch, "restore", "--replace", str(make())) == 0
