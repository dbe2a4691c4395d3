"""Adding and taking away raw tables: whole or not at all, and never lost."""

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.panel.audit.log import AuditLog
from app.panel.clock import SystemClock
from app.panel.datasets.service import Datasets, check_name
from app.panel.datasets.uploads import Upload
from app.panel.db.engine import Database
from app.panel.leftovers import UPLOAD_PREFIX
from pipeline.core.problems import ProblemError


@pytest.fixture
def datasets(tmp_path: Path) -> Datasets:
    return open_datasets(tmp_path)


def open_datasets(folder: Path) -> Datasets:
    """Return the tables in `folder`, changed by the panel itself."""
    clock = SystemClock()
    return Datasets(folder, clock, AuditLog(Database(folder / "panel.db"), clock))


def uploaded(folder: Path, name: str, content: bytes, *, replace: bool = False) -> Upload:
    """Return a table that has arrived."""
    (folder / "raw").mkdir(exist_ok=True)
    part = folder / "raw" / f"{UPLOAD_PREFIX}{secrets.token_hex(8)}"
    part.write_bytes(content)
    return Upload(name, part, len(content), replace)


def _id(action: object, *args: object, **more: object) -> str:
    assert callable(action)
    with pytest.raises(ProblemError) as caught:
        action(*args, **more)
    return caught.value.id


def test_table_is_there_when_added_and_kept_when_replaced_or_removed(datasets: Datasets, tmp_path: Path) -> None:
    assert datasets.tables() == ()
    datasets.add(uploaded(tmp_path, "a.csv", b"x\n1\n"))
    datasets.add(uploaded(tmp_path, "b (2).parquet", b"PAR1"))
    assert [(table.name, table.n_bytes) for table in datasets.tables()] == [("a.csv", 4), ("b (2).parquet", 4)]
    datasets.add(uploaded(tmp_path, "a.csv", b"new", replace=True))
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


def test_upload_is_refused_when_empty_or_there_already(datasets: Datasets, tmp_path: Path) -> None:
    assert _id(datasets.add, uploaded(tmp_path, "a.csv", b"", replace=True)) == "FILE-02"
    datasets.add(uploaded(tmp_path, "a.csv", b"1"))
    assert _id(datasets.add, uploaded(tmp_path, "a.csv", b"2")) == "FILE-03"
    assert _id(datasets.remove, "b.csv") == "FILE-04"
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "raw").glob("*.csv")] == [("a.csv", b"1")]


def test_one_of_two_uploads_wins_when_they_have_the_same_name(datasets: Datasets, tmp_path: Path) -> None:
    both = threading.Barrier(2)

    def upload(content: bytes) -> str:
        arrived = uploaded(tmp_path, "a.csv", content)
        both.wait(10)
        try:
            return datasets.add(arrived).name
        except ProblemError as problem:
            return problem.id

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(upload, [b"1", b"2"])) == ["FILE-03", "a.csv"]
    assert [table.name for table in datasets.tables()] == ["a.csv"]


def test_nothing_changes_when_what_is_replaced_cannot_be_kept(datasets: Datasets, tmp_path: Path) -> None:
    datasets.add(uploaded(tmp_path, "a.csv", b"1"))
    (tmp_path / "replaced").write_text("a file, not a folder")
    for name in ("a.csv", "b.csv"):
        assert _id(datasets.add, uploaded(tmp_path, name, b"2", replace=True)) == "FILE-05"
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "raw").glob("*.csv")] == [("a.csv", b"1")]


def test_reason_is_given_when_the_folder_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "raw").write_text("a file, not a folder")
    datasets = open_datasets(tmp_path)
    assert _id(datasets.tables) == "FILE-06"


def test_only_tables_are_listed_when_other_files_lie_beside(datasets: Datasets, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for name in ("README.md", ".upload-x", "t.csv"):
        (raw / name).write_text("x")
    (raw / "folder.csv").mkdir()
    assert [table.name for table in datasets.tables()] == ["t.csv"]
