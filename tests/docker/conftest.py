"""The engines that these tests need."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.images import fake_image
from tests.docker.private_engine import PrivateEngine

__all__ = ["fake_image", "private_engine"]

IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}


@pytest.fixture(scope="module")
def private_engine(fake_image: str) -> Iterator[PrivateEngine]:
    """Running, with the image of the fake service in it; gone with all its files afterwards."""
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        if IN_CI:
            pytest.fail("a private engine needs root and dockerd")
        pytest.skip("a private engine needs root and dockerd")
    folder = Path(tempfile.mkdtemp(prefix="private-engine-", dir="/var/tmp"))
    engine = PrivateEngine(folder)
    try:
        engine.start()
        with subprocess.Popen(["docker", "save", fake_image], stdout=subprocess.PIPE) as save:
            subprocess.run([*engine.cli, "load"], stdin=save.stdout, capture_output=True, timeout=300, check=True)
        yield engine
        for container in engine.docker("ps", "-aq").split():
            engine.docker("rm", "-f", container)
    finally:
        engine.end()
        for mount in reversed(Path("/proc/mounts").read_text().splitlines()):
            where = mount.split()[1]
            if where.startswith(str(folder)):
                subprocess.run(["umount", "-l", where], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)
