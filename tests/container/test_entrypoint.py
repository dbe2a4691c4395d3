"""The user of a container, and the owner of its volumes."""

import os
from pathlib import Path

import pytest

from container import entrypoint


def test_the_owner_of_the_folder_runs_it_unless_that_is_root(tmp_path: Path) -> None:
    uid, gid = os.getuid(), os.getgid()
    assert entrypoint.owner(tmp_path) == ((uid, gid) if uid != 0 else (10001, 10001))
    assert entrypoint.owner(tmp_path / "none") == (10001, 10001)


def test_no_group_is_taken_when_there_is_no_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrypoint, "SOCKET", tmp_path)
    assert entrypoint.socket_groups() == []
    monkeypatch.setattr(entrypoint, "SOCKET", tmp_path / "none")
    assert entrypoint.socket_groups() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_volume_is_handed_over_whole_when_the_user_changed(tmp_path: Path) -> None:
    below = tmp_path / "runs" / "1"
    below.mkdir(parents=True)
    (below / "log.jsonl").write_text("{}")
    (tmp_path / "link").symlink_to("/etc/hostname")
    entrypoint.hand_over(tmp_path, 12345, 12345)
    assert {path.lstat().st_uid for path in (tmp_path, *tmp_path.rglob("*"))} == {12345}
    assert Path("/etc/hostname").stat().st_uid == 0, "what a link points to is not ours to give"


def test_the_temporary_folder_is_empty_when_the_container_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PIPELINE_STATE", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    entrypoint.make_temporary_folder(is_emptied=True)
    (tmp_path / "tmp" / "upload").write_text("left behind")
    entrypoint.make_temporary_folder(is_emptied=False)
    assert (tmp_path / "tmp" / "upload").exists(), "the panel beside which this runs still needs it"
    entrypoint.make_temporary_folder(is_emptied=True)
    assert list((tmp_path / "tmp").iterdir()) == []
    assert (tmp_path / "tmp").stat().st_mode & 0o777 == 0o700


def test_no_folder_is_emptied_when_temporary_files_lie_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PIPELINE_STATE", str(tmp_path / "state"))
    (tmp_path / "mine").write_text("")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    entrypoint.make_temporary_folder(is_emptied=True)
    monkeypatch.delenv("TMPDIR")
    entrypoint.make_temporary_folder(is_emptied=True)
    assert (tmp_path / "mine").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_user_gets_a_copy_of_a_secret_when_only_root_may_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets, readable = tmp_path / "secrets", tmp_path / "readable"
    monkeypatch.setattr(entrypoint, "SECRETS", secrets)
    monkeypatch.setattr(entrypoint, "READABLE", readable)
    secrets.mkdir()
    for name, uid, mode in (("roots", 0, 0o600), ("own", 12345, 0o600), ("for_all", 0, 0o644)):
        (secrets / name).write_text(f"secret of {name}")
        (secrets / name).chmod(mode)
        os.chown(secrets / name, uid, uid)
        monkeypatch.setenv(f"{name.upper()}_FILE", str(secrets / name))
    entrypoint.copy_secrets(12345, 12345)
    assert [path.name for path in readable.iterdir()] == ["roots"]
    assert os.environ["ROOTS_FILE"] == str(readable / "roots")
    assert os.environ["OWN_FILE"] == str(secrets / "own")
    assert (readable / "roots").read_text() == "secret of roots"
    assert [(path.stat().st_uid, path.stat().st_mode & 0o777) for path in (readable, readable / "roots")] == [
        (12345, 0o700),
        (12345, 0o600),
    ]
    assert (secrets / "roots").stat().st_uid == 0, "the file of the user outside is left as it is"
