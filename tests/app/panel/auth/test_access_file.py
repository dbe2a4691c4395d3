"""The access list is whole or not there, and there again once the disk takes it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.panel.auth.access_file import AccessFile
from app.web.access import FILE, Access
from tests.builders.disks import SmallDisk

pytestmark = pytest.mark.process


def test_the_list_is_written_again_when_the_disk_was_full(
    tmp_path: Path, small_disk: Callable[..., SmallDisk], caplog: pytest.LogCaptureFixture
) -> None:
    disk = small_disk(tmp_path / "access")
    file, path = AccessFile(disk.folder, Access), disk.folder / FILE
    file.write()
    disk.fill()
    file.write()
    assert not path.exists()  # nobody stays in whose access has ended
    disk.fill()
    file.renew()
    assert not path.exists()
    assert str(path) in caplog.text
    disk.free()
    file.renew()
    assert path.read_bytes() == Access().to_json()
    path.unlink()
    file.renew()
    assert not path.exists()  # only where it has failed
