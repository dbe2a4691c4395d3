"""What the system says of a folder becomes a problem that names the folder; most of it on real disks."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.core.atomic_files import write_atomic
from pipeline.core.disk import disk_problem, is_of_disk, probe
from pipeline.core.disk_problems import DiskError
from tests.builders.disks import SmallDisk

MountDisk = Callable[..., SmallDisk]
pytestmark = pytest.mark.process  # mount(8)


def _problem(work: Callable[[], object], *folders: Path, doing: str = "") -> DiskError:
    with pytest.raises(OSError) as caught:  # noqa: PT011  # which one is the question
        work()
    problem = disk_problem(caught.value, folders, doing)
    assert problem is not None, caught.value
    return problem


def _fill(path: Path) -> None:
    with path.open("wb") as file:
        while True:
            file.write(bytes(2**16))


def _fill_with_parquet(path: Path) -> None:
    table = pa.table({"x": pa.array(os.urandom(100_000), pa.uint8())})
    with pq.ParquetWriter(path, table.schema) as writer:
        for _ in range(50):
            writer.write_table(table)


@pytest.mark.parametrize(
    "fill",
    [_fill, _fill_with_parquet, lambda path: write_atomic(path, bytes(2**21))],
    ids=["file", "parquet", "atomic"],
)
def test_full_folder_is_named_when_the_error_names_no_file(
    tmp_path: Path, small_disk: MountDisk, fill: Callable[[Path], None]
) -> None:
    disk, other = small_disk(tmp_path / "small disk"), tmp_path / "other"
    problem = _problem(lambda: fill(disk.folder / "x"), other, disk.folder, doing="Stage “Deploy” stopped")
    assert (problem.id, problem.retryable, problem.status) == ("DISK-03", True, 507)
    assert problem.what == f"Stage “Deploy” stopped: the disk of {disk.folder} is full."
    assert problem.command == f"df -h '{disk.folder}'"


def test_target_is_named_when_a_copy_fills_its_disk(tmp_path: Path, small_disk: MountDisk) -> None:
    disk = small_disk(tmp_path / "small")
    source = tmp_path / "source"
    source.write_bytes(bytes(2**21))
    problem = _problem(lambda: shutil.copyfile(source, disk.folder / "x"), tmp_path, disk.folder)
    assert problem.folders == (disk.folder,)


@pytest.mark.parametrize("names_file", [True, False])
def test_inodes_are_named_when_only_they_are_used_up(tmp_path: Path, small_disk: MountDisk, names_file: bool) -> None:
    disk = small_disk(tmp_path / "small", inodes=20)
    disk.use_up_inodes()
    error = OSError(errno.ENOSPC, "No space left on device", *([str(disk.folder / "x")] if names_file else []))
    problem = disk_problem(error, (tmp_path, disk.folder))
    assert problem is not None
    assert (problem.id, problem.folders, problem.command) == ("DISK-03", (disk.folder,), f"df -i {disk.folder}")


def test_read_only_folder_is_named_when_it_is_remounted(tmp_path: Path, small_disk: MountDisk) -> None:
    disk = small_disk(tmp_path / "small")
    disk.make_read_only()
    problem = _problem(lambda: (disk.folder / "a" / "b").mkdir(parents=True), tmp_path, disk.folder)
    assert (problem.id, problem.folders) == ("DISK-05", (disk.folder,))
    assert problem.command == f"findmnt -T {disk.folder}"
    bare = disk_problem(OSError(errno.EROFS, "Read-only file system"), (tmp_path, disk.folder))
    assert bare is not None
    assert bare.folders == (disk.folder,)


@pytest.mark.parametrize(
    ("number", "id", "word"),
    [
        (errno.EDQUOT, "DISK-03", "quota"),
        (errno.EFBIG, "DISK-03", "limit on the size of files"),
        (errno.EACCES, "DISK-06", "permission"),
        (errno.EPERM, "DISK-06", "permission"),
        (errno.EIO, "DISK-08", "Input/output error"),
        (errno.ESTALE, "DISK-08", "Stale file handle"),
        (errno.ENOENT, "DISK-07", "removed"),
    ],
)
def test_problem_has_its_cause_when_a_file_of_the_folder_is_named(
    tmp_path: Path, number: int, id: str, word: str
) -> None:
    error = OSError(number, os.strerror(number), str(tmp_path / "models" / "current.json"))
    problem = disk_problem(error, (tmp_path / "data", tmp_path / "models"))
    assert problem is not None
    assert problem.id == id
    assert word in problem.why
    assert str(tmp_path / "models") in str(problem)


def test_missing_folder_is_named_when_it_was_removed(tmp_path: Path) -> None:
    models = tmp_path / "models"
    problem = _problem((models / "versions" / "x").read_bytes, models)
    assert (problem.id, problem.what) == ("DISK-07", f"{models} is gone.")


@pytest.mark.parametrize("work", [lambda path: path.mkdir(exist_ok=True), lambda path: list(path.iterdir())])
def test_file_is_named_when_it_is_in_the_place_of_a_folder(tmp_path: Path, work: Callable[[Path], object]) -> None:
    raw = tmp_path / "raw"
    raw.touch()
    problem = _problem(lambda: work(raw), tmp_path / "models", raw)
    assert (problem.id, problem.what) == ("DISK-07", f"{raw} is not a folder.")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        OSError("without a number"),
        FileNotFoundError(errno.ENOENT, "No such file", "/elsewhere/nothing"),
        PermissionError(errno.EPERM, "Operation not permitted"),
        FileNotFoundError(errno.ENOENT, "No such file"),
        ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
    ],
)
def test_there_is_no_problem_of_a_folder_when_the_error_is_another(tmp_path: Path, error: Exception) -> None:
    assert disk_problem(error, (tmp_path,)) is None
    assert not is_of_disk(error)


def test_temporary_folder_is_named_when_none_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    error = FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")
    problem = disk_problem(error, ())
    assert problem is not None
    assert (problem.id, problem.folders) == ("DISK-03", (tmp_path,))


def test_probe_says_what_is_wrong_when_a_folder_cannot_be_written(tmp_path: Path, small_disk: MountDisk) -> None:
    assert probe(tmp_path) is None
    disk = small_disk(tmp_path / "small")
    disk.fill()
    refusal = probe(disk.folder)
    assert refusal is not None
    assert (refusal.errno, {path.name for path in disk.folder.iterdir()}) == (errno.ENOSPC, {"filler"})
    disk.make_read_only()
    refusal = probe(disk.folder)
    assert refusal is not None
    assert refusal.errno == errno.EROFS
