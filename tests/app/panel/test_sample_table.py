"""The built-in table is written once, in the background, and never stands in the way of a run."""

import asyncio
from pathlib import Path

import pytest

from app.panel import sample_table
from app.panel.sample_table import SampleTable

pytestmark = pytest.mark.process


@pytest.mark.parametrize("name", ["table.csv", "TABLE.PARQUET"])
def test_built_in_table_is_not_written_when_there_is_a_table(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")

    async def main() -> None:
        sample = SampleTable(tmp_path)
        await sample.start()
        await sample.wait()

    asyncio.run(main())
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_built_in_table_is_written_when_the_folder_is_empty(tmp_path: Path) -> None:
    async def main() -> None:
        sample = SampleTable(tmp_path / "raw")
        await sample.start()
        await sample.wait()

    asyncio.run(main())
    assert (tmp_path / "raw" / "cs-training.csv").stat().st_size > 10**6


def test_built_in_table_is_written_when_no_file_there_is_a_table_to_the_pipeline(tmp_path: Path) -> None:
    (tmp_path / ".hidden.csv").write_text("")
    (tmp_path / "folder.csv").mkdir()

    async def main() -> None:
        sample = SampleTable(tmp_path)
        await sample.start()
        await sample.wait()

    asyncio.run(main())
    assert (tmp_path / "cs-training.csv").exists()


def test_a_run_goes_on_when_the_table_is_not_written_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sample_table, "LIMIT_S", 0.01)

    async def main() -> None:
        sample = SampleTable(tmp_path)
        await sample.start()
        await sample.wait()

    asyncio.run(main())
    assert list(tmp_path.iterdir()) == []
    assert "action=write_sample error=It did not end within 0.01 s." in caplog.text
