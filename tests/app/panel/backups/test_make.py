"""A backup holds everything, as it was at one moment."""

import io
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from app.panel.backups import make as making
from app.panel.backups.archive import read_archive
from app.panel.backups.make import make_backup, remove_unfinished
from app.panel.backups.place import Place
from app.panel.backups.sources import Snapshot, take_snapshot
from app.panel.settings import Settings
from pipeline.core.problems import ProblemError
from tests.app.panel.backups.conftest import NOW, RUN

Make = Callable[[], Path]


def test_everything_that_cannot_be_made_again_is_in_it_when_a_backup_is_made(make: Make) -> None:
    files = read_archive(io.BytesIO(make().read_bytes()), None).files
    assert set(files) == {
        "state/panel.db",
        f"state/runs/{RUN}/log.jsonl",
        f"state/runs/{RUN}/plots/roc.svg",
        "models/current.json",
        "models/ledger.jsonl",
        *(f"models/versions/run-{run}/{file}" for run in (1, 2) for file in ("manifest.json", "model.onnx")),
        "mlflow/mlflow.db",
        "mlflow/artifacts/1/model.onnx",
    }


def test_settings_file_is_in_it_when_there_is_one(make: Make) -> None:
    Path("ml-pipeline.toml").write_text("SEED = 7\n")
    assert "settings/ml-pipeline.toml" in read_archive(io.BytesIO(make().read_bytes()), None).files


def test_only_the_owner_reads_it_when_a_backup_is_made(make: Make) -> None:
    file = make()
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]


def test_nothing_is_left_when_the_panel_goes_down_meanwhile(settings: Settings) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(ProblemError) as caught:
        make_backup(settings, Place(settings.backup_place), NOW, stop)
    assert caught.value.id == "BACKUP-06"
    assert list((settings.state_dir / "backups").iterdir()) == []


def test_backup_is_not_made_when_the_live_model_is_deleted_meanwhile(
    settings: Settings, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(settings: Settings, folder: Path) -> Snapshot:
        snapshot = take_snapshot(settings, folder)
        (settings.models_dir / "versions" / "run-2" / "model.onnx").unlink()
        return snapshot

    monkeypatch.setattr(making, "take_snapshot", slow)
    with pytest.raises(ProblemError, match="could not be made") as caught:
        make()
    assert "The live model changed" in caught.value.why


def test_what_a_killed_panel_left_is_removed_when_the_next_one_starts(settings: Settings, make: Make) -> None:
    file = make()
    left = settings.state_dir / "backups" / f"{making.MAKING}abc"
    left.mkdir()
    (left / "part").write_text("x")
    remove_unfinished(settings)
    assert list(file.parent.iterdir()) == [file]
