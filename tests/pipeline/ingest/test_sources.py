"""A file that is not a table is refused by name, before any row of it is read."""

import contextlib
import csv
import resource
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.core.problems import DataError
from pipeline.ingest import frames, sources, tables


def refused(path: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        tables.read([path])
    return caught.value


def write(folder: Path, content: bytes | str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_the_command_that_helps_is_named_when_there_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("x")
    with pytest.raises(DataError) as caught:
        sources.find(tmp_path)
    assert caught.value.id == "DATA-01"
    assert "python -m pipeline sample" in caught.value.command


def test_files_are_found_by_name_when_there_are_several(tmp_path: Path) -> None:
    for name in ("b.csv", "a.parquet", ".hidden.csv", "notes.md"):
        (tmp_path / name).write_text("x")
    (tmp_path / "folder.csv").mkdir()
    assert [path.name for path in sources.find(tmp_path)] == ["a.parquet", "b.csv"]


@pytest.mark.parametrize("content", ["", "a,b\n", "\n\n", "a,b\n\n\n", "\n" * 2**20 + "\n"])
def test_an_empty_table_is_refused_when_it_has_no_row(tmp_path: Path, content: str) -> None:
    assert refused(write(tmp_path, content)).id == "DATA-02"


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "web page"),
        (b"%PDF-1.7\n", "PDF"),
        (b"a,b\n1,\0\n", "not text"),
        (b"a,b\n" + b"1,2\n" * 600_000 + b"1,\0\n", "not text"),
    ],
)
def test_an_impostor_is_named_when_it_is_no_table(tmp_path: Path, content: bytes, word: str) -> None:
    problem = refused(write(tmp_path, content))
    assert problem.id == "DATA-03"
    assert word in problem.what


@pytest.mark.parametrize(
    "start", [b"\x1f\x8b", b"BZh9", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"PAR1", b"ARROW1"]
)
def test_a_file_is_called_damaged_when_it_only_begins_like_one(tmp_path: Path, start: bytes) -> None:
    problem = refused(write(tmp_path, start + b"rest"))
    assert problem.id == "DATA-09"
    assert "t.csv" in problem.what


@pytest.mark.parametrize("content", ["a\n1\n2\n", "a;b,c\n1;2,3\n4;5,6\n".replace(";b,c", ",b;c")])
def test_the_delimiter_is_asked_for_when_it_is_not_clear(tmp_path: Path, content: str) -> None:
    assert refused(write(tmp_path, content)).id == "DATA-05"


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ("a;b\n1,234;1.5\n2,345;2.5\n", {"a": [1234, 2345]}),
        ("a;b\n1,250;1,5\n2,500;2,5\n", {"a": [1.25, 2.5]}),
        ("a;b\n1,5;x\n2,5;y\n", {"a": [1.5, 2.5]}),
        ("a\tb\n1\tx, y\n2\ty\n", {"a": [1, 2]}),
        ("a|b\n1|x\n2|y\n", {"a": [1, 2]}),
    ],
)
def test_another_delimiter_is_detected_and_reported_when_it_is_clear(
    tmp_path: Path, content: str, columns: dict[str, list[float]]
) -> None:
    table = tables.read([write(tmp_path, content)])
    assert list(table.columns) == ["a", "b"]
    assert table.columns["a"].values.tolist() == columns["a"]  # type: ignore[union-attr]  # a number column
    assert any("separated by" in note for note in table.notes)


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n1,2,3\n4,5\n",
        "a,b\n1,2\n4,5,6\n",
        "a,b,c\n1,2,3\n4,5\n",
        'a,b,c\n"1",2,3\n4,5\n',
        "a,b\n1,2,3\n4,5,6\n",
    ],
)
def test_ragged_rows_are_refused_when_there_are_any(tmp_path: Path, content: str) -> None:
    problem = refused(write(tmp_path, content))
    assert problem.id == "DATA-06"
    assert problem.why


def test_the_first_bad_line_is_named_when_rows_are_short(tmp_path: Path) -> None:
    assert "1 row; the first is line 4 with 2 values" in refused(write(tmp_path, "a,b,c\n1,2,3\n\n4,5\n")).why


@pytest.mark.parametrize("content", ["a,b,a\n1,2,3\n", "1,2,3\n4,5,6\n", "a,__target__\n1,2\n"])
def test_the_header_is_refused_when_its_names_cannot_be_used(tmp_path: Path, content: str) -> None:
    assert refused(write(tmp_path, content)).id == "DATA-07"


def test_files_are_refused_when_their_columns_differ(tmp_path: Path) -> None:
    first, other = write(tmp_path, "a,b\n1,2\n", "1.csv"), write(tmp_path, "b,c\n1,2\n", "2.csv")
    with pytest.raises(DataError) as caught:
        tables.read([first, other])
    assert caught.value.id == "DATA-08"
    assert "'a'" in caught.value.why
    assert "'c'" in caught.value.why


def test_a_damaged_file_is_refused_when_it_says_parquet(tmp_path: Path) -> None:
    assert refused(write(tmp_path, b"no parquet at all", "t.parquet")).id == "DATA-09"
    pd.DataFrame({"a": range(9000), "b": "x"}).to_parquet(tmp_path / "u.parquet")
    whole = (tmp_path / "u.parquet").read_bytes()
    assert refused(write(tmp_path, whole[:100] + b"\0" * 500 + whole[600:], "u.parquet")).id == "DATA-09"


def test_too_many_columns_are_refused_when_a_header_has_them(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(2001)]
    assert refused(write(tmp_path, ",".join(names) + "\n" + ",".join("1" for _ in names) + "\n")).id == "DATA-18"


def test_the_digest_changes_when_a_byte_does(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b\n1,2\n")
    before = sources.digest([path])
    assert before == sources.digest([path])
    assert before[1] == 8
    write(tmp_path, "a,b\n1,3\n")
    assert sources.digest([path]) != before


def test_a_file_that_vanished_is_a_named_problem_when_it_is_digested(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read") as caught:
        sources.digest([tmp_path / "gone.csv"])
    assert caught.value.id == "DATA-09"


@pytest.mark.parametrize("content", ['a,b\n1,"x"\n2,y\n', "a,b\n1\n2,y\n"])
def test_the_limit_of_other_csv_readers_stays_when_a_file_is_read(tmp_path: Path, content: str) -> None:
    before = csv.field_size_limit(4096)
    try:
        with contextlib.suppress(DataError):
            tables.read([write(tmp_path, content)])
        assert csv.field_size_limit() == 4096
    finally:
        csv.field_size_limit(before)


def _constants(path: Path, n_columns: int, n_groups: int) -> Path:
    """Write a Parquet file of constants, in row groups of 5 million rows: some 10 KB each."""
    group = pa.table({f"c{i}": pa.repeat(1.5, 5_000_000) for i in range(n_columns)})
    with pq.ParquetWriter(path, group.schema) as writer:
        for _ in range(n_groups):
            writer.write_table(group)
    return path


@pytest.fixture
def _4_gb() -> Iterator[None]:
    """Let this process use 4 GB for the time of a test: 99 million values."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (4 * 2**30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_DATA, before)


@pytest.mark.usefixtures("_4_gb")
def test_a_small_file_is_refused_before_it_is_read_when_its_table_does_not_fit_the_memory(tmp_path: Path) -> None:
    path = _constants(tmp_path / "bomb.parquet", 4, 6)
    assert path.stat().st_size < 2**20
    with pytest.raises(DataError) as caught:
        tables.read([path])
    assert caught.value.id == "DATA-24"
    assert "bomb.parquet has about 120,000,000 values" in caught.value.what
    assert "At most 98,985,574 are read" in caught.value.why
    assert "STAGE_MEMORY_BYTES" in caught.value.fix


def test_lists_count_by_their_values_when_a_column_is_nested(tmp_path: Path) -> None:
    lists = pa.array([[1] * 5000, [2] * 5000])
    pq.write_table(pa.table({"a": lists, "y": [0, 1]}), tmp_path / "nested.parquet")
    with pytest.raises(DataError, match="has about 10,002 values"):
        tables.read([tmp_path / "nested.parquet"], 10_000)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_short_rows_count_in_full_when_a_wide_csv_has_many(tmp_path: Path, line_end: str) -> None:
    """Each is two bytes in the file and a thousand values in memory."""
    header = ",".join(f"c{i}" for i in range(1000))
    path = write(tmp_path, (header + line_end + f"1{line_end}" * 2000).encode())
    with pytest.raises(DataError) as caught:
        tables.read([path], 1_999_999)
    assert caught.value.id == "DATA-24"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_piece_has_fewer_rows_when_the_table_is_wide(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "CHUNK_CELLS", 10)
    frame = pd.DataFrame({f"c{i}": range(7) for i in range(4)})
    path = tmp_path / f"wide.{suffix}"
    getattr(frame, f"to_{suffix}")(path, index=False)
    assert [len(piece) for piece in frames.read_frames(sources.inspect(path))] == [2, 2, 2, 1]


def test_all_files_count_together_when_a_table_has_several(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.csv" for i in range(3)]
    for path in paths:
        path.write_text("a,y\n1,0\n2,1\n")
    assert tables.read(paths, 12).n_rows == 6
    with pytest.raises(DataError, match="The table of 3 files has about 12 values"):
        tables.read(paths, 11)
