"""Fixtures of all tests: where an engine or a browser is missing, a laptop skips with a reason and CI fails."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.panel.services.process.records import OWNER_FILE, Records
from app.panel.services.process.service_processes import OWNER_VARIABLE
from app.processes.marks import kill_marked
from tests.builders.disks import SmallDisk, can_mount
from tests.process_guard import ProcessGuard

if TYPE_CHECKING:
    from playwright.sync_api import Browser

IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}


def pytest_configure(config: pytest.Config) -> None:
    """Let no test start a process when those that may are left out."""
    if "not process" in config.option.markexpr:
        config.pluginmanager.register(ProcessGuard())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine cannot run, but never in CI: there the test runs and fails."""
    if IN_CI:
        return
    for item in items:
        if item.get_closest_marker("docker") and not _docker():
            item.add_marker(pytest.mark.skip(reason="no Docker engine answers; start one to run this test"))
        if item.get_closest_marker("browser") and not _chromium():
            item.add_marker(pytest.mark.skip(reason="no Chromium found; install it to run this test"))


@pytest.fixture(scope="session", autouse=True)
def _no_service_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """End and report services that outlive the tests, which they can: each test ends its own."""
    yield
    left = {
        str(owner): kill_marked(OWNER_VARIABLE, Records(owner.parent).mark())
        for owner in tmp_path_factory.getbasetemp().rglob(f"services/{OWNER_FILE}")
    }
    assert {path: n_left for path, n_left in left.items() if n_left} == {}


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """Yield one real Chromium for all tests: a second Playwright beside it in one process is refused."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium")
    assert path, "Chromium is needed for this test"
    with sync_playwright() as playwright:
        # Names below .test are this machine, so that pages can have names that are not loopback.
        arguments = ["--no-sandbox", "--host-resolver-rules=MAP *.test 127.0.0.1"]
        chromium = playwright.chromium.launch(executable_path=path, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[..., SmallDisk]]:
    """Yield `small_disk(folder, size, inodes)`, which mounts a disk of its own; skipped where nobody may mount."""
    if not IN_CI and not can_mount(tmp_path / "probe"):
        pytest.skip("only root may mount a small disk; run this test as root")
    disks: list[SmallDisk] = []

    def mount(folder: Path, **more: Any) -> SmallDisk:
        disks.append(SmallDisk(folder, **more))
        return disks[-1]

    yield mount
    for disk in reversed(disks):
        disk.unmount()


@cache
def _docker() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    return subprocess.run([docker, "info"], capture_output=True, timeout=20, check=False).returncode == 0


@cache
def _chromium() -> bool:
    return shutil.which("chromium") is not None
