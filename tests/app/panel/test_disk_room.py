"""Each disk that a run writes to is looked at once, with all that the run writes there."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from app.panel.disk_room import MB, MIN_FREE_BYTES, MODEL_BYTES, TEMPORARY_BYTES, rooms
from app.panel.settings import Settings
from tests.builders.disks import SmallDisk


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "data" / "raw").mkdir(parents=True)
    return Settings(data_dir=tmp_path / "data", state_dir=tmp_path / "state", models_dir=tmp_path / "models")


def test_the_needs_add_up_when_all_folders_are_on_one_disk(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "data" / "raw" / "a.csv").write_bytes(bytes(3 * MB))
    (tmp_path / "data" / "raw" / "b.csv.gz").write_bytes(bytes(MB))
    (tmp_path / "data" / "raw" / ".hidden.csv").write_bytes(bytes(MB))
    [room] = rooms(settings)
    assert room.needed_bytes == MIN_FREE_BYTES + MODEL_BYTES + TEMPORARY_BYTES + (2 * 3 + 10) * MB
    assert room.folders == tuple(tmp_path / name for name in ("state", "data/processed", "models", "tmp"))
    assert room.explained == (
        "A run needs about 656 MB there: 512 MB for logs, results and databases, 16 MB for 2 times the 3 MB of tables in "
        "data/raw and 10 times the 1 MB of packed ones, 64 MB for a model, 64 MB for temporary files."
    )


@pytest.mark.process
@pytest.mark.parametrize("name", ["state", "data/processed", "models", "tmp"])
def test_a_folder_is_looked_at_for_itself_when_it_has_a_disk_of_its_own(
    settings: Settings, tmp_path: Path, small_disk: Callable[..., SmallDisk], name: str
) -> None:
    (tmp_path / "data" / "raw" / "a.csv").write_bytes(bytes(2 * MB))
    disk = small_disk(tmp_path / name)
    found = rooms(settings)
    assert len(found) == 2
    [room] = [each for each in found if each.folders == (disk.folder,)]
    assert room.free_bytes < 2 * MB < room.needed_bytes
    assert all(disk.folder not in each.folders for each in found if each is not room)
