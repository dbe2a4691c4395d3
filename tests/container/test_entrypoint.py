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
