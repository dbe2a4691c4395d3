"""`python -m pipeline sample` writes the built-in table, and needs little for it."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.ingest.sample_table import FILE_NAME

pytestmark = pytest.mark.process
HEAVY = "{'pandas', 'pyarrow', 'sklearn', 'rich'}"


def test_table_is_written_without_anything_heavy_when_asked_for(tmp_path: Path) -> None:
    code = f"import sys, pipeline.__main__ as m; assert m.main(['sample', {str(tmp_path)!r}]) == 0; assert not {HEAVY} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert "synthetic" in done.stdout
    assert (tmp_path / FILE_NAME).exists()


def test_nothing_is_written_when_a_table_lies_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own.csv").write_text("a,b\n1,2\n")
    assert main(["sample", str(tmp_path)]) == 0
    assert "already" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["own.csv"]


def test_problem_is_shown_and_exit_code_is_2_when_the_folder_is_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["sample", str(tmp_path / "file")]) == 2
    shown = capsys.readouterr().out
    assert "TRAIN-11" in shown
    assert "fix: " in shown
