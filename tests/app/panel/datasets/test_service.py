"""Adding and taking away raw tables: whole or not at all, and never lost."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.panel.audit.log import AuditLog
from app.panel.clock import SystemClock
from app.panel.datasets.service import Datasets, check_name
from app.panel.db.engine import Database
from pipeline.core.problems import ProblemError


@pytest.fixture
def datasets(tmp_path: Path) -> Datasets:
    return open_datasets(tmp_path)


def open_datasets(folder: Path) -> Datasets:
    """Return the tables in `folder`, changed by the panel itself."""
    clock = SystemClock()
    return Datasets(folder, clock, AuditLog(Database(folder / "panel.db"), clock))


def _id(action: object, *args: object, **more: object) -> str:
    assert callable(action)
    with pytest.raises(ProblemError) as caught:
        action(*args, **more)
    return caught.value.id


def test_table_is_there_when_added_and_kept_when_replaced_or_removed(datasets: Datasets, tmp_path: Path) -> None:
    assert datasets.tables() == ()
    datasets.add("a.csv", io.BytesIO(b"x\n1\n"), replace=False)
    datasets.add("b (2).parquet", io.BytesIO(b"PAR1"), replace=False)
    assert [(table.name, table.n_bytes) for table in datasets.tables()] == [("a.csv", 4), ("b (2).parquet", 4)]
    datasets.add("a.csv", io.BytesIO(b"new"), replace=True)
    assert [table.name for table in datasets.tables()] == ["a.csv"]
    datasets.remove("a.csv")
    assert datasets.tables() == ()
    kept = sorted(path.read_bytes() for path in (tmp_path / "replaced").iterdir())
    assert kept == [b"PAR1", b"new", b"x\n1\n"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a",
        "../a.csv",
        "a/b.csv",
        "a\\b.csv",
        ".hidden.csv",
        "a.csv\n",
        "a.exe",
        "x" * 200 + ".csv",
        "表" * 99 + ".csv",
        "a\x00.csv",
    ],
)
def test_name_is_refused_when_it_is_not_that_of_a_table(name: str) -> None:
    assert _id(check_name, name) == "FILE-01"


@pytest.mark.parametrize("name", ["cs-training.csv", "Größe 2 (neu).parquet", "a_b+c.TXT"])
def test_name_is_taken_when_it_is_a_plain_one(name: str) -> None:
    check_name(name)


def test_upload_is_refused_and_leaves_nothing_when_empty_or_there_already(datasets: Datasets, tmp_path: Path) -> None:
    assert _id(datasets.add, "a.csv", io.BytesIO(b""), replace=True) == "FILE-02"
    datasets.add("a.csv", io.BytesIO(b"1"), replace=False)
    assert _id(datasets.add, "a.csv", io.BytesIO(b"2"), replace=False) == "FILE-03"
    assert _id(datasets.remove, "b.csv") == "FILE-04"
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["a.csv"]


def test_one_of_two_uploads_wins_when_they_have_the_same_name(datasets: Datasets, tmp_path: Path) -> None:
    both = threading.Barrier(2)

    class Slow(io.BytesIO):
        """Both uploads are under way before either ends."""

        def read(self, n_bytes: int | None = -1, /) -> bytes:
            if self.tell() == 0:
                both.wait(10)
            return super().read(n_bytes)

    def upload(content: bytes) -> str:
        try:
            return datasets.add("a.csv", Slow(content), replace=False).name
        except ProblemError as problem:
            return problem.id

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(upload, [b"1", b"2"])) == ["FILE-03", "a.csv"]
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["a.csv"]


def test_nothing_changes_when_what_is_replaced_cannot_be_kept(datasets: Datasets, tmp_path: Path) -> None:
    datasets.add("a.csv", io.BytesIO(b"1"), replace=False)
    (tmp_path / "replaced").write_text("a file, not a folder")
    for name in ("a.csv", "b.csv"):
        assert _id(datasets.add, name, io.BytesIO(b"2"), replace=True) == "FILE-05"
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "raw").iterdir()] == [("a.csv", b"1")]


def test_reason_is_given_when_the_folder_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "raw").write_text("a file, not a folder")
    datasets = open_datasets(tmp_path)
    assert _id(datasets.add, "a.csv", io.BytesIO(b"1"), replace=False) == "FILE-05"
    assert _id(datasets.tables) == "FILE-06"


def test_only_tables_are_listed_when_other_files_lie_beside(datasets: Datasets, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for name in ("README.md", ".upload-x", "t.csv"):
        (raw / name).write_text("x")
    (raw / "folder.csv").mkdir()
    assert [table.name for table in datasets.tables()] == ["t.csv"]
