"""A deploy whose folder cannot be used says so, is tried again, and succeeds once it can."""

import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from app.panel import disk_room
from app.panel.runs.domain.interfaces import DeployResult, StageLog
from app.panel.runs.domain.state import RunState
from bench.empty_deploy import live_at_once
from bench.wait import until_async
from pipeline.core.atomic_files import write_atomic
from pipeline.core.stage import StageContext, TrainResult
from tests.app.panel.runs.conftest import MakeHarness
from tests.app.panel.runs.panel_harness import RUN_S, PanelHarness
from tests.builders.disks import SmallDisk

MountDisk = Callable[..., SmallDisk]
pytestmark = pytest.mark.process


def _deploy(ctx: StageContext, result: TrainResult, log: StageLog, stop: threading.Event) -> DeployResult:
    write_atomic(ctx.models_dir / "current.json", bytes(100_000))
    return live_at_once(ctx, result, log, stop)


@dataclass(frozen=True)
class Fault:
    """A way in which the models cannot be written, and what is said of it."""

    breaks: Callable[[SmallDisk], None]
    mends: Callable[[SmallDisk], None]
    id: str


FAULTS = {
    "full": Fault(SmallDisk.fill, SmallDisk.free, "DISK-03"),
    "read-only": Fault(SmallDisk.make_read_only, lambda disk: disk.make_read_only(on=False), "DISK-05"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_deploy_goes_on_when_the_models_can_be_written_again(
    make_harness: MakeHarness, small_disk: MountDisk, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    monkeypatch.setattr(disk_room, "MODEL_BYTES", 0)  # it fills up only after the start
    harness = make_harness(deploy=_deploy, retries=50)
    models = harness.settings.models_dir.absolute()
    disk = small_disk(models)
    fault.breaks(disk)

    async def script(harness: PanelHarness) -> None:
        await until_async(lambda: bool(_errors(harness)), within_s=RUN_S, what="an attempt fails")
        fault.mends(disk)

    run = harness.run_to_end(script)
    assert run.row.state == RunState.SUCCEEDED
    failure = _errors(harness)[0]
    assert (failure["id"], str(models) in str(failure["what"])) == (fault.id, True)
    assert str(failure["command"]).endswith(str(models))


def test_folder_is_named_when_the_models_are_removed(make_harness: MakeHarness) -> None:
    harness = make_harness(deploy=_deploy)
    shutil.rmtree(harness.settings.models_dir, ignore_errors=True)
    run = harness.run_to_end()
    assert run.error is not None
    assert run.error["id"] == "DISK-07"
    assert run.error["what"] == f"Stage “Deploy” stopped: {harness.settings.models_dir.absolute()} is gone."


def _errors(harness: PanelHarness) -> list[dict[str, object]]:
    deploy = harness.newest().stages[-1]
    return [dict(attempt.error) for attempt in deploy.attempts if attempt.error]
