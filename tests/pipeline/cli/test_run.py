"""`python -m pipeline run` trains on a file, shows what came out, and says what to do when it cannot."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.core.pointer import read_pointer
from tests.pipeline.cycle import bundled

pytestmark = pytest.mark.process


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "breast cancer.csv"
    bundled("breast_cancer").to_csv(path, index=False)
    return path


def _run(tmp_path: Path, table: Path, *options: str) -> int:
    return main(["run", "--data", str(table), "--out", str(tmp_path / "out"), *options])


def test_summary_names_metrics_verdict_and_bundle_when_training_succeeds(
    tmp_path: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(tmp_path, table, "--target", "target", "--estimator", "linear", "--seed", "7") == 0
    shown = capsys.readouterr().out
    for part in (
        "set_seed",
        "process_data",
        "train_model",
        "Linear model, binary",
        "ROC AUC ",
        "Baseline",
        "First model: its ROC AUC",
    ):
        assert part in shown
    bundle = next((tmp_path / "out").glob("*/bundle"))
    assert str(bundle) in shown
    assert (bundle / "model.onnx").stat().st_size > 0


def test_model_goes_live_once_when_published_twice(
    tmp_path: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--target", "target", "--set", "estimator=linear", "--publish", "--models", str(tmp_path / "models"))
    assert _run(tmp_path, table, *options) == 0
    first = read_pointer(tmp_path / "models")
    assert _run(tmp_path, table, *options) == 0
    assert first is not None
    assert first.version == 1
    assert read_pointer(tmp_path / "models") == first
    assert "Nothing to deploy: this model is identical to version 1." in capsys.readouterr().out


def test_nothing_goes_live_when_it_is_not_published(tmp_path: Path, table: Path) -> None:
    assert (
        _run(tmp_path, table, "--target", "target", "--estimator", "linear", "--models", str(tmp_path / "models")) == 0
    )
    assert read_pointer(tmp_path / "models") is None


def test_folder_of_tables_is_read_when_it_is_named(tmp_path: Path, table: Path) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    shutil.copy(table, folder / "a.csv")
    bundled("breast_cancer").to_parquet(folder / "b.parquet")
    assert _run(tmp_path, folder, "--target", "target", "--estimator", "dummy") == 0


@pytest.mark.parametrize(
    ("options", "id_"),
    [
        (("--target", "no such column"), "DATA-11"),
        (("--set", "max_iter=1"), "TRAIN-10"),
        (("--set", "linear.c=-1"), "TRAIN-10"),
        (("--set", "linear.c=Infinity"), "TRAIN-10"),
        (("--set", "seed"), "TRAIN-10"),
        (("--set", "seed.x=1", "--seed", "3"), "TRAIN-10"),
    ],
)
def test_problem_is_shown_with_its_fix_and_exit_code_2_when_the_user_is_wrong(
    tmp_path: Path, table: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], id_: str
) -> None:
    assert _run(tmp_path, table, *options) == 2
    shown = capsys.readouterr().out
    assert id_ in shown
    assert "why: " in shown
    assert "fix: " in shown
    assert "Traceback" not in shown


def test_missing_file_is_data_01_when_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(tmp_path, tmp_path / "nothing.csv") == 2
    assert "DATA-01" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_folder_is_data_01_when_its_only_table_is_hidden(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / ".t.csv").write_text("a,b\n1,2\n")
    assert _run(tmp_path, folder) == 2
    assert "DATA-01" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["adult.data", "t.csv.bak", "book.docx"])
def test_file_is_refused_by_its_name_when_that_is_not_a_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / name).write_text("a,b\n1,2\n")
    assert _run(tmp_path, tmp_path / name) == 2
    shown = capsys.readouterr().out
    assert "DATA-01" in shown
    assert name in shown
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--out", "--models"])
def test_no_traceback_is_shown_when_a_folder_is_a_file(
    tmp_path: Path, table: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    file = tmp_path / "file"
    file.touch()
    options = ("--target", "target", "--estimator", "linear", "--publish", option, str(file))
    assert _run(tmp_path, table, *options) == 2
    shown = capsys.readouterr().out
    assert "TRAIN-11" in shown
    assert "file" in shown.split("why: ")[1]


def test_help_is_short_and_loads_nothing_heavy() -> None:
    code = "import sys, pipeline.__main__ as m\ntry: m.main(['--help'])\nfinally: assert 'numpy' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert len(done.stdout.splitlines()) <= 12
