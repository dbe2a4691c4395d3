"""An archive is whole, or nobody takes it for one."""

import io
import random
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.panel.backups.archive import LIST_FILE, BytesSource, FileSource, read_archive, write_archive
from pipeline.core.problems import ProblemError

NOW = datetime(2026, 3, 4, tzinfo=UTC)


def archive(*groups: list[BytesSource | FileSource]) -> bytes:
    target = io.BytesIO()
    write_archive(target, groups, version="1", schema_number="0001", now=NOW)
    return target.getvalue()


def test_files_are_as_before_when_an_archive_is_read(tmp_path: Path) -> None:
    raw = archive([BytesSource("a/b", b"x" * 3_000_000)], [BytesSource("c", b"")])
    contents = read_archive(io.BytesIO(raw), tmp_path / "new")
    assert (contents.created_at, contents.n_bytes) == (NOW, 3_000_000)
    assert (tmp_path / "new" / "a" / "b").read_bytes() == b"x" * 3_000_000
    assert (tmp_path / "new" / "c").read_bytes() == b""


def test_whole_group_is_left_out_when_one_of_its_files_is_gone(tmp_path: Path) -> None:
    raw = archive([BytesSource("a", b"1"), FileSource("b", tmp_path / "gone")], [BytesSource("c", b"2")])
    assert set(read_archive(io.BytesIO(raw), None).files) == {"c"}


def test_what_comes_later_is_left_out_when_a_file_grows_while_it_is_read(tmp_path: Path) -> None:
    class Growing(FileSource):
        def open(self) -> tuple[io.BufferedReader, int, float]:
            file, n_bytes, at = super().open()
            with self.path.open("ab") as more:
                more.write(b"later")
            return file, n_bytes, at  # type: ignore[return-value]

    path = tmp_path / "log"
    path.write_bytes(b"now")
    raw = archive([Growing("log", path)])
    read_archive(io.BytesIO(raw), tmp_path / "new")
    assert (tmp_path / "new" / "log").read_bytes() == b"now"


def test_archive_is_refused_when_any_byte_of_it_is_missing_or_wrong() -> None:
    raw = archive([BytesSource("a", random.Random(1).randbytes(20_000))], [BytesSource("b", b"text " * 1000)])
    for cut in range(0, len(raw) - 8, 997):
        with pytest.raises(ProblemError) as caught:
            read_archive(io.BytesIO(raw[:cut]), None)
        assert caught.value.id == "BACKUP-02"
    for position in range(20, len(raw) - 8, 503):
        changed = bytearray(raw)
        changed[position] ^= 0x10
        with pytest.raises(ProblemError) as caught:
            read_archive(io.BytesIO(changed), None)
        assert caught.value.id == "BACKUP-02"


def test_archive_is_refused_when_a_file_is_not_as_its_list_says() -> None:
    whole = archive([BytesSource("a", b"1")])
    target = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(whole)) as old, tarfile.open(fileobj=target, mode="w:gz") as new:
        for member in old.getmembers():
            content = (old.extractfile(member) or io.BytesIO()).read()
            new.addfile(member, io.BytesIO(b"2" if member.name == "a" else content))
    with pytest.raises(ProblemError, match="damaged") as caught:
        read_archive(io.BytesIO(target.getvalue()), None)
    assert caught.value.why == "a is not as its list says."


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "..\\evil"])
def test_nothing_is_written_outside_when_an_archive_names_it(tmp_path: Path, name: str) -> None:
    raw = archive([BytesSource(name, b"1")])
    with pytest.raises(ProblemError) as caught:
        read_archive(io.BytesIO(raw), tmp_path / "new")
    assert caught.value.id == "BACKUP-02"
    assert list(tmp_path.iterdir()) == []


def test_link_is_refused_when_an_archive_holds_one(tmp_path: Path) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as new:
        link = tarfile.TarInfo("a")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        new.addfile(link)
    with pytest.raises(ProblemError, match="damaged"):
        read_archive(io.BytesIO(target.getvalue()), tmp_path / "new")


@pytest.mark.parametrize("listed", [b"{}", b"[]", b"{", b'{"format": 2, "product": "automated-ml-pipeline"}'])
def test_archive_is_refused_when_its_list_is_of_another_program_or_version(listed: bytes) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as new:
        member = tarfile.TarInfo(LIST_FILE)
        member.size = len(listed)
        new.addfile(member, io.BytesIO(listed))
    with pytest.raises(ProblemError, match="damaged"):
        read_archive(io.BytesIO(target.getvalue()), None)
