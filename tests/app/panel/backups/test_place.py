"""Where backups are kept: a folder, or anything that fsspec knows."""

from pathlib import Path

import pytest

from app.panel.backups.place import Place, backup_name, shown
from pipeline.core.problems import ProblemError
from tests.app.panel.backups.conftest import NOW

NAME = backup_name(NOW)


@pytest.mark.parametrize("kind", ["path", "file", "memory"])
def test_backup_is_listed_read_and_removed_when_it_was_put_there(tmp_path: Path, kind: str) -> None:
    urls = {"path": str(tmp_path / "new"), "file": f"file://{tmp_path}/new", "memory": f"memory://{tmp_path.name}"}
    place = Place(urls[kind])
    assert place.list() == []
    source = tmp_path / "source"
    source.write_bytes(b"whole")
    place.put(source, NAME)
    (found,) = place.list()
    assert (found.name, found.n_bytes, found.created_at) == (NAME, 5, NOW)
    with place.open(NAME) as file:
        assert file.read() == b"whole"
    place.remove(NAME)
    assert place.list() == []


def test_other_files_are_left_out_when_they_lie_there_too(tmp_path: Path) -> None:
    for name in ("notes.txt", f"{NAME}.part", "panel-20260101-000000.db"):
        (tmp_path / name).write_text("x")
    assert Place(str(tmp_path)).list() == []


def test_what_a_killed_panel_left_is_removed_when_the_next_backup_comes(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / f"{NAME}.part").write_text("half")
    (place / "other.part").write_text("of somebody else")
    (tmp_path / "source").write_bytes(b"whole")
    Place(str(place)).put(tmp_path / "source", NAME)
    assert sorted(path.name for path in place.iterdir()) == [NAME, "other.part"]


@pytest.mark.parametrize("name", ["../secret", "x.tar.gz", "", f"{NAME}/.."])
def test_nothing_else_is_opened_when_somebody_names_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(ProblemError) as caught, Place(str(tmp_path)).open(name):
        pass
    assert caught.value.id == "BACKUP-04"


def test_place_is_named_when_its_library_is_missing_or_it_is_unknown() -> None:
    with pytest.raises(ProblemError) as caught:
        Place("nowhere://x")
    assert caught.value.id == "BACKUP-03"
    assert "nowhere://x" in caught.value.what


def test_place_is_named_when_it_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    place = Place(str(tmp_path / "file" / "below"))
    with pytest.raises(ProblemError) as caught:
        place.put(tmp_path / "file", NAME)
    assert caught.value.id == "BACKUP-03"


def test_password_is_not_shown_when_the_url_has_one() -> None:
    assert shown("sftp://me:secret@host/folder") == "sftp://host/folder"
    assert shown("s3://bucket/folder") == "s3://bucket/folder"
