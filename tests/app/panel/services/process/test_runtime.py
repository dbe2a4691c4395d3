"""What services get from the process runtime beyond the contract of both runtimes (`tests/contracts`)."""

import dataclasses
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

import app
from app.panel.services.process.runtime import ProcessRuntime
from app.panel.services.protocol import Mount
from app.panel.services.specs import process_placement
from app.panel.settings import Settings
from bench.ports import free_port, free_ports
from bench.wait import until
from pipeline.core.disk_problems import DiskError
from pipeline.core.problems import ProblemError
from tests.app.panel.services.conftest import end, fake_spec
from tests.builders.disks import SmallDisk
from tests.contracts.observed import observed

pytestmark = pytest.mark.process
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands a port over")


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[ProcessRuntime]:
    runtime = ProcessRuntime(process_placement(Settings()), tmp_path / "services")
    yield runtime
    end(runtime)


def test_services_work_in_the_folder_where_python_finds_our_packages(runtime: ProcessRuntime) -> None:
    runtime.ensure(fake_spec("api", free_port()))
    pid = int(runtime.observe("api").instance_id.partition("-")[0])
    assert Path(psutil.Process(pid).cwd()) == Path(app.__path__[0]).resolve().parent


@linux_only
@pytest.mark.parametrize(
    ("fault", "start_s", "why"),
    [("--dies-after=0", 30.0, "exit code 7"), ("--slow-start=600", 0.3, "It does not listen.")],
)
def test_the_old_one_serves_on_when_the_new_one_does_not_start(
    runtime: ProcessRuntime, fault: str, start_s: float, why: str
) -> None:
    port = free_port()
    runtime.ensure(fake_spec("api", port))
    first = observed(runtime, "running")
    before = len(psutil.Process().children())
    changed = dataclasses.replace(fake_spec("api", port, "--slow-start=0.2", fault), start_s=start_s)
    with pytest.raises(ProblemError, match="SVC-01") as caught:
        runtime.ensure(changed)
    assert caught.value.what == "The new Prediction API does not start; the old one keeps serving."
    assert why in caught.value.why
    assert runtime.observe("api").instance_id == first.instance_id
    assert len(psutil.Process().children()) == before
    runtime.ensure(fake_spec("api", port, "--slow-start=0.1"))
    assert observed(runtime, "running").instance_id != first.instance_id


@linux_only
def test_the_old_one_serves_until_the_new_one_listens_when_it_moves_to_another_port(runtime: ProcessRuntime) -> None:
    old, new = free_ports(2)
    runtime.ensure(fake_spec("api", old))
    first = psutil.Process(int(observed(runtime, "running").instance_id.partition("-")[0]))
    runtime.ensure(fake_spec("api", new))
    assert observed(runtime, "running").digest == fake_spec("api", new).digest
    until(lambda: not first.is_running(), what="the old one ends")


def test_the_old_one_ends_first_when_the_service_writes_files(runtime: ProcessRuntime, tmp_path: Path) -> None:
    """Two would write into one store."""
    mounts = (Mount("mlflow", str(tmp_path / "store"), read_only=False),)
    port = free_port()
    runtime.ensure(dataclasses.replace(fake_spec("api", port), mounts=mounts))
    first = psutil.Process(int(observed(runtime, "running").instance_id.partition("-")[0]))
    runtime.ensure(dataclasses.replace(fake_spec("api", port, "--slow-start=600"), mounts=mounts))
    assert not first.is_running()
    assert runtime.observe("api").state == "starting"


def test_the_service_of_another_panel_is_named_and_left_alone_when_it_has_the_port(
    runtime: ProcessRuntime, tmp_path: Path
) -> None:
    port = free_port()
    spec = dataclasses.replace(fake_spec("api", port), env={"ML_PIPELINE_ACCESS": str(tmp_path / "first" / "access")})
    runtime.ensure(spec)
    first = observed(runtime, "running")
    other = ProcessRuntime(runtime.placement, tmp_path / "other")
    for changed in (spec, fake_spec("api", port, "--slow-start=0.1")):
        with pytest.raises(ProblemError, match="PORT-01") as caught:
            other.ensure(changed)
        pid = first.instance_id.partition("-")[0]
        holder = f"a service of the state folder {tmp_path / 'first'} (process {pid})"
        assert caught.value.what == f"Port {port} is used by {holder}."
        assert other.observe("api").state == "absent"
    end(other)
    assert runtime.observe("api").instance_id == first.instance_id


def test_the_folder_is_named_when_the_log_of_a_service_cannot_be_opened(
    tmp_path: Path, small_disk: Callable[..., SmallDisk]
) -> None:
    disk = small_disk(tmp_path / "services")
    runtime = ProcessRuntime(process_placement(Settings()), disk.folder)
    try:
        disk.make_read_only()
        with pytest.raises(DiskError, match="DISK-05") as caught:
            runtime.ensure(fake_spec("api", free_port()))
        assert caught.value.command == f"findmnt -T {disk.folder}"
    finally:
        end(runtime)
