"""What services get from the process runtime beyond the contract of both runtimes (`tests/contracts`)."""

from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

import app
from app.panel.services.process.runtime import ProcessRuntime
from app.panel.services.specs import process_placement
from app.panel.settings import Settings
from bench.ports import free_port
from pipeline.core.disk_problems import DiskError
from tests.app.panel.services.conftest import fake_spec
from tests.builders.disks import SmallDisk

pytestmark = pytest.mark.process


def test_services_work_in_the_folder_where_python_finds_our_packages(tmp_path: Path) -> None:
    runtime = ProcessRuntime(process_placement(Settings()), tmp_path)
    try:
        runtime.ensure(fake_spec("api", free_port()))
        pid = int(runtime.observe("api").instance_id.partition("-")[0])
        assert Path(psutil.Process(pid).cwd()) == Path(app.__path__[0]).resolve().parent
    finally:
        runtime.close()


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
        runtime.close()
