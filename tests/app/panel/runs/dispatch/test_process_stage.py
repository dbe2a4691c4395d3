"""A stage whose folders are full, read-only or gone says so, is tried again, and succeeds once they can be used."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.panel.runs.domain.state import RunState
from bench.wait import until_async
from tests.app.panel.runs.conftest import MakeHarness
from tests.app.panel.runs.panel_harness import RUN_S, PanelHarness, with_faulty_stage
from tests.builders.disks import SmallDisk

MountDisk = Callable[..., SmallDisk]
pytestmark = pytest.mark.process


@dataclass(frozen=True)
class Fault:
    """A way in which a disk cannot be written, and what is said of it."""

    breaks: Callable[[SmallDisk], None]
    mends: Callable[[SmallDisk], None]
    id: str
    command: str
    has_begun: bool


FULL = (SmallDisk.fill, SmallDisk.free, "DISK-03", "df -h")
INODES = (SmallDisk.use_up_inodes, SmallDisk.free, "DISK-03", "df -i")
READ_ONLY = (SmallDisk.make_read_only, lambda disk: disk.make_read_only(on=False), "DISK-05", "findmnt -T")
FAULTS = {
    "full": Fault(*FULL, has_begun=False),
    "full-meanwhile": Fault(*FULL, has_begun=True),
    "inodes": Fault(*INODES, has_begun=False),
    "inodes-meanwhile": Fault(*INODES, has_begun=True),
    "read-only": Fault(*READ_ONLY, has_begun=False),  # none is remounted so while a file is open for writing
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_stage_goes_on_when_the_folder_of_its_run_can_be_written_again(
    make_harness: MakeHarness, small_disk: MountDisk, fault: Fault
) -> None:
    harness = make_harness(with_faulty_stage("waits"), retries=500)
    disk = small_disk(harness.settings.runs_dir)

    async def script(harness: PanelHarness) -> None:
        if fault.has_begun:
            await until_async(lambda: "waiting" in harness.texts(), within_s=RUN_S, what="the stage waits")
            fault.breaks(disk)
        (harness.settings.data_dir / "go").touch()
        await until_async(lambda: bool(_failures(harness)), within_s=RUN_S, what="an attempt fails")
        fault.mends(disk)

    if not fault.has_begun:
        fault.breaks(disk)

    run = harness.run_to_end(script)
    assert run.row.state == RunState.SUCCEEDED
    failure = _failures(harness)[0]
    run_dir = harness.settings.runs_dir.absolute() / run.row.id
    assert (failure["id"], failure["command"]) == (fault.id, f"{fault.command} {run_dir}")
    assert str(run_dir) in str(failure["what"])


def test_folder_is_named_when_a_file_is_in_its_place(make_harness: MakeHarness) -> None:
    harness = make_harness()

    def replace(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.rmdir()
        folder.touch()

    replace(harness.settings.runs_dir)
    run = harness.run_to_end()
    assert run.error is not None
    assert (run.row.state, run.error["id"]) == (RunState.FAILED, "DISK-07")
    assert str(harness.settings.runs_dir) in str(run.error["what"])


def test_nothing_temporary_is_left_when_a_stage_is_killed(
    make_harness: MakeHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    harness = make_harness(with_faulty_stage("is_killed_while_it_writes"))
    run = harness.run_to_end()
    assert run.error is not None
    assert run.error["id"] == "RUN-11"
    assert any(f"temporary files in {temporary}/ml-pipeline-tmp-" in text for text in harness.texts())
    assert not list(temporary.iterdir())
    assert not list((harness.settings.data_dir / "processed").iterdir())
    assert not list(harness.settings.runs_dir.rglob(".*"))


def _failures(harness: PanelHarness) -> list[dict[str, object]]:
    return [dict(attempt.error) for attempt in harness.newest().stages[0].attempts if attempt.error]
