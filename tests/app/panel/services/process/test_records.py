"""What was noted of a service is ours only in the folder where it was noted, and as long as the process runs."""

import dataclasses
import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.panel.services.process import records as module
from app.panel.services.process.records import Record, Records
from app.processes.tree import identity
from tests.app.processes.processes import SLEEP

pytestmark = pytest.mark.process


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(SLEEP)
    yield process
    process.kill()
    process.wait()


def record_of(records: Records, pid: int) -> Record:
    return Record(records.mark(), identity(pid), "digest", 8000, f"{pid}-1", "2026-01-01T00:00:00+00:00", False)


def test_it_is_found_when_it_runs(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    records = Records(tmp_path / "services")
    record = record_of(records, process.pid)
    records.write("api", record)
    assert Records(tmp_path / "services").running() == {"api": record}
    found = records.read("api")
    assert found is not None
    assert (found[0], found[1].pid) == (record, process.pid)
    process.kill()
    process.wait()
    assert (records.read("api"), records.running()) == (None, {})
    records.remove("api")
    records.remove("api")


def test_it_is_nobodys_when_the_folder_is_a_copy(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    records = Records(tmp_path / "services")
    records.write("api", record_of(records, process.pid))
    shutil.copytree(tmp_path / "services", tmp_path / "copy")
    copy = Records(tmp_path / "copy")
    assert (copy.read("api"), copy.running()) == (None, {})
    assert copy.mark() != records.mark()
    (tmp_path / "services").rename(tmp_path / "moved")
    assert list(Records(tmp_path / "moved").running()) == ["api"]


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"owner": 1}', b"\xff"])
def test_it_is_unknown_when_the_file_is_not_what_was_written(tmp_path: Path, content: bytes) -> None:
    records = Records(tmp_path)
    records.mark()
    (tmp_path / "api.json").write_bytes(content)
    assert records.read("api") is None


def test_nothing_is_made_when_somebody_only_looks(tmp_path: Path) -> None:
    assert Records(tmp_path / "nowhere").running() == {}
    assert not (tmp_path / "nowhere").exists()


def test_the_service_goes_on_when_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    records = Records(tmp_path)
    record = record_of(records, os.getpid())

    def refuse(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "write_atomic", refuse)
    records.write("api", dataclasses.replace(record))
    assert "action=record_service service=api" in caplog.text
