"""A backup comes back on this machine or another; what was there is never lost, and never mixed with it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from app.panel.backups import restore as restoring
from app.panel.backups.archive import Contents, read_archive
from app.panel.backups.recoveries import Recoveries
from app.panel.backups.restore import MARK, check_finished, restore, verify
from app.panel.db.migrate import open_database
from app.panel.registry.queries import ModelQueries
from app.panel.settings import Settings
from pipeline.core.problems import ProblemError
from tests.app.panel.backups.conftest import CLOCK, NOW, RUN, settings_in, write_history
from tests.app.panel.db.history import change, count, fill, numbers

Make = Callable[[], Path]
PARTS = ("panel.db", "runs", "mlflow/mlflow.db", "mlflow/artifacts", "models/current.json", "models/versions")


def live(settings: Settings) -> tuple[int | None, int | None]:
    """Return the live version and the one to roll back to."""
    database = open_database(settings.database, CLOCK.now())
    queries = ModelQueries(database, settings.models_dir)
    pointer, targets = queries.pointer(), queries.targets()
    database.close()
    return pointer.version if pointer else None, targets[0].version if targets else None


def test_everything_is_there_when_a_backup_is_restored_on_another_machine(
    settings: Settings, make: Make, tmp_path: Path
) -> None:
    backup = make()
    elsewhere = tmp_path / "copied.tar.gz"
    backup.rename(elsewhere)
    shutil.rmtree(settings.state_dir)
    other = settings_in(tmp_path / "two")
    done = restore(other, str(elsewhere), CLOCK, replace=False)
    assert (done.contents.created_at, done.aside) == (NOW, "")
    assert numbers(other.database) == [1]
    assert live(other) == (2, 1)
    assert (other.runs_dir / RUN / "plots" / "roc.svg").read_text() == "<svg/>"
    assert (other.mlflow_dir / "artifacts" / "1" / "model.onnx").read_bytes() == b"graph"
    assert sorted(path.name for path in other.state_dir.glob(".*")) == []


def test_panel_says_what_was_restored_and_knows_no_session_when_it_starts(settings: Settings, make: Make) -> None:
    backup = make()
    restore(settings, str(backup), CLOCK, replace=True)
    assert count(settings.database, "known_device") == 0
    database = open_database(settings.database, CLOCK.now())
    unseen = Recoveries(database, CLOCK).unseen
    database.close()
    assert unseen is not None
    assert unseen.cause == f"The backup {backup.name} was restored."
    assert count(settings.database, "audit_entry") == 1


def test_folders_are_left_alone_when_they_hold_a_history_and_nobody_allows_to_replace_it(
    settings: Settings, make: Make
) -> None:
    backup = make()
    fill(settings.database, 1, first=2)
    with pytest.raises(ProblemError) as caught:
        restore(settings, str(backup), CLOCK, replace=False)
    assert caught.value.id == "BACKUP-07"
    assert numbers(settings.database) == [1, 2]


def test_what_was_there_is_kept_aside_when_it_is_replaced(settings: Settings, make: Make) -> None:
    backup = make()
    fill(settings.database, 1, first=2)
    (settings.runs_dir / "later").mkdir()
    done = restore(settings, str(backup), CLOCK, replace=True)
    assert numbers(settings.database) == [1]
    assert numbers(settings.state_dir / done.aside / "panel.db") == [1, 2]
    assert (settings.state_dir / done.aside / "runs" / "later").is_dir()
    assert (settings.models_dir / done.aside / "current.json").is_file()
    assert not (settings.runs_dir / "later").exists()


@pytest.mark.parametrize("harm", ["cut", "no database", "damaged database", "newer", "no live model"])
def test_nothing_is_changed_when_the_backup_is_not_whole(
    settings: Settings, make: Make, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if harm == "newer":
        change(settings.database, "UPDATE alembic_version SET version_num = '9999'")
    backup = make()
    if harm == "newer":
        change(settings.database, "UPDATE alembic_version SET version_num = '0006'")
    if harm == "cut":
        backup.write_bytes(backup.read_bytes()[:-500])

    def unpack(source: IO[bytes], into: Path) -> Contents:
        contents = read_archive(source, into)
        if harm == "no database":
            (into / "state" / "panel.db").unlink()
        elif harm == "damaged database":
            (into / "state" / "panel.db").write_bytes(b"x" * 5000)
        elif harm == "no live model":
            shutil.rmtree(into / "models" / "versions" / "run-2")
        return contents

    monkeypatch.setattr(restoring, "read_archive", unpack)
    fill(settings.database, 1, first=2)
    with pytest.raises(ProblemError) as caught:
        restore(settings, str(backup), CLOCK, replace=True)
    assert caught.value.id == "BACKUP-02"
    assert numbers(settings.database) == [1, 2]
    assert live(settings) == (2, 1)
    assert not (settings.state_dir / MARK).exists()


@pytest.mark.parametrize("step", range(1, 15))
def test_next_restore_finishes_it_when_one_was_interrupted(
    settings: Settings, make: Make, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    backup = make()
    fill(settings.database, 1, first=2)
    n_calls = 0
    rename = Path.rename

    def dies(self: Path, target: Path) -> Path:
        nonlocal n_calls
        n_calls += 1
        if n_calls == step:
            raise KilledError
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", dies)
    with pytest.raises(KilledError):
        restore(settings, str(backup), CLOCK, replace=True)
    monkeypatch.undo()
    with pytest.raises(ProblemError) as caught:
        check_finished(settings)
    assert caught.value.id == "BACKUP-08"
    restore(settings, str(backup), CLOCK, replace=False)
    check_finished(settings)
    assert numbers(settings.database) == [1]
    assert live(settings) == (2, 1)
    (aside,) = settings.state_dir.glob("before-restore-*")
    assert numbers(aside / "panel.db") == [1, 2]
    assert all((settings.state_dir / part).exists() for part in PARTS)


def test_backup_is_found_by_its_name_when_it_is_at_the_place_of_backups(settings: Settings, make: Make) -> None:
    assert verify(settings, make().name).created_at == NOW
    with pytest.raises(ProblemError) as caught:
        verify(settings, "automated-ml-pipeline-20200101-000000.tar.gz")
    assert caught.value.id == "BACKUP-04"
    with pytest.raises(ProblemError) as caught:
        verify(settings, "nowhere://x")
    assert caught.value.id == "BACKUP-03"


def test_settings_are_written_beside_when_there_are_others(settings: Settings, make: Make) -> None:
    own = Path("ml-pipeline.toml")
    own.write_text("SEED = 7\n")
    backup = make()
    own.write_text("SEED = 8\n")
    done = restore(settings, str(backup), CLOCK, replace=True)
    assert done.settings_file == Path("ml-pipeline.restored.toml")
    assert (own.read_text(), done.settings_file.read_text()) == ("SEED = 8\n", "SEED = 7\n")
    own.unlink()
    assert restore(settings, str(backup), CLOCK, replace=True).settings_file == own


def test_two_panels_stay_two_when_the_backup_of_one_is_restored_over_the_other(
    settings: Settings, make: Make, tmp_path: Path
) -> None:
    backup = make()
    other = write_history(tmp_path / "other")
    fill(other.database, 3, first=2)
    restore(other, str(backup), CLOCK, replace=True)
    assert numbers(other.database) == [1]


def test_disk_is_named_when_it_has_no_room_for_the_backup(
    settings: Settings, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    backup = make()
    monkeypatch.setattr(restoring, "read_archive", full)
    with pytest.raises(ProblemError) as caught:
        restore(settings, str(backup), CLOCK, replace=True)
    assert caught.value.id == "BACKUP-09"
    assert live(settings) == (2, 1)
