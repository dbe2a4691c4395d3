"""What a killed process had in progress is told from what somebody still works with."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pipeline.core.temporary import FOLDER_PREFIX, held, own_folder, remove_left, remove_left_folders

pytestmark = pytest.mark.process
HOLDS = """
import os, sys, tempfile
from pathlib import Path
from pipeline.core.temporary import held, own_folder
folder = Path(sys.argv[1])
tempfile.tempdir = str(folder)
(folder / ".new-x").mkdir()
(folder / ".new-x" / "part").touch()
with held(folder / ".new-x"), own_folder():
    print("holds", flush=True)
    sys.stdin.read()
"""


def test_only_what_nobody_holds_is_removed_when_a_process_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "new-x").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == b"holds\n"
            remove_left(tmp_path, ".new-*")
            remove_left_folders()
            assert (tmp_path / ".new-x" / "part").exists()
            assert len(list(tmp_path.glob(f"{FOLDER_PREFIX}*"))) == 1
        finally:
            other.kill()
    remove_left(tmp_path, ".new-*")
    remove_left_folders()
    assert [path.name for path in tmp_path.iterdir()] == ["new-x"]


def test_what_a_link_points_to_stays_when_the_link_matches(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / ".new-link").symlink_to(tmp_path / "mine")
    os.mkfifo(tmp_path / ".new-pipe")
    remove_left(tmp_path, ".new-*")
    assert (tmp_path / "mine").is_dir()
    remove_left(tmp_path / "none", ".new-*")


def test_own_folder_is_gone_when_its_block_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with own_folder() as folder:
        (folder / "x").touch()
        with held(folder / "x"):
            remove_left_folders()
        assert (folder / "x").exists()
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not list(tmp_path.iterdir())
