"""A look at tables says what a run would make of them."""

import io
import json
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

import pytest

from pipeline.core.params import ColumnOptions, Params
from pipeline.core.problems import DataError
from pipeline.core.table_preview import PreviewRequest, PreviewResult, RawFile, TablePreview
from pipeline.stages.preview import preview

ROWS = [
    f"{i * 7 % 31}.5,{'uvwx'[i % 4]},{'yes' if i % 3 else 'no'}-{i % 6},{'yes' if i % 3 else 'no'}" for i in range(90)
]
TABLE = "\n".join(["size,land,code,target", *ROWS, ""])


def look(folder: Path, text: str, params: Params | None = None, name: str = "my table.csv") -> TablePreview:
    (folder / ".upload-1").write_text(text, "utf-8")
    scratch = Path(mkdtemp(dir=folder))
    request = PreviewRequest(
        files=[RawFile(path=folder / ".upload-1", name=name)], params=params or Params(), scratch=scratch
    )
    return preview(request)


def test_each_column_has_its_part_when_a_target_is_found(tmp_path: Path) -> None:
    found = look(tmp_path, TABLE)
    assert {column.report.name: column.role for column in found.columns} == {
        "size": "feature",
        "land": "feature",
        "code": "feature",
        "target": "target",
    }
    assert (found.n_rows, found.target, found.task, found.target_is_guess) == (90, "target", "binary", False)
    assert {column.report.name: column.leakage for column in found.columns if column.leakage} == {
        "code": "determines target exactly"
    }


def test_columns_are_shown_with_the_problem_when_no_target_is_found(tmp_path: Path) -> None:
    found = look(tmp_path, TABLE.replace("target", "result", 1))
    assert found.problem is not None
    assert found.problem["id"] == "DATA-10"
    assert [column.role for column in found.columns] == ["unknown"] * 4


def test_what_a_person_decided_counts_when_it_is_looked_at_again(tmp_path: Path) -> None:
    params = Params(target="land", ignore=("code",), columns={"size": ColumnOptions(kind="categorical")})
    found = look(tmp_path, TABLE, params)
    kinds = {column.report.name: (column.report.kind, column.role, column.reason) for column in found.columns}
    assert kinds["land"][:2] == ("categorical", "target")
    assert kinds["code"] == ("categorical", "dropped", "ignored")
    assert kinds["size"][0] == "categorical"


def test_the_file_has_its_own_name_when_it_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        look(tmp_path, "<!DOCTYPE html><html></html>")
    assert caught.value.id == "DATA-03"
    assert "my table.csv" in caught.value.what


@pytest.mark.process
def test_the_process_writes_one_line_when_it_is_asked(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    request = PreviewRequest(files=[RawFile(path=tmp_path / "t.csv", name="t.csv")], params=Params(), scratch=tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.stages.preview"],
        input=request.model_dump_json().encode(),
        capture_output=True,
        check=True,
    )
    (line,) = io.BytesIO(done.stdout).read().splitlines()
    result = PreviewResult.model_validate(json.loads(line))
    assert result.preview is not None
    assert result.preview.n_rows == 90
