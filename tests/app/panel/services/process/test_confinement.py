"""What a service may do as a child process, as the kernel sees it."""

import dataclasses
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from app.panel.services.process.confinement import USER_ID, can_change_user, is_root, own_environment, user_for
from app.panel.services.process.runtime import ProcessRuntime
from app.panel.services.protocol import Mount, ServiceSpec
from app.panel.services.specs import process_placement
from app.panel.settings import Settings
from app.processes.child import CODE_DIR
from bench.ports import free_port
from bench.wait import until
from tests.app.panel.services.conftest import end, fake_spec

pytestmark = pytest.mark.process
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
root_only = pytest.mark.skipif(not is_root(), reason="only root may change the user of a process")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Yield a folder that every user reaches, which `tmp_path` is not."""
    folder = Path(tempfile.mkdtemp(prefix="ml-pipeline-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def _writing(folder: Path, python: str = sys.executable) -> ServiceSpec:
    spec = fake_spec("mlflow", free_port())
    (folder / "store").mkdir()
    return dataclasses.replace(
        spec, argv=(python, *spec.argv[1:]), mounts=(Mount("mlflow", str(folder / "store"), read_only=False),)
    )


def _start(spec: ServiceSpec, folder: Path) -> tuple[ProcessRuntime, psutil.Process]:
    runtime = ProcessRuntime(process_placement(Settings()), folder / "services")
    runtime.ensure(spec)
    process = psutil.Process(int(runtime.observe(spec.name).instance_id.partition("-")[0]))
    until(lambda: process.cmdline() == list(spec.argv), what="the service is executed")
    return runtime, process


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@linux_only
def test_it_has_limits_and_gains_no_privileges_when_it_runs(tmp_path: Path) -> None:
    spec = fake_spec("api", free_port())
    runtime, process = _start(spec, tmp_path)
    try:
        status = _status(process.pid)
        limits = {
            line[:26].strip(): line[26:].split()[:2]
            for line in Path(f"/proc/{process.pid}/limits").read_text().splitlines()
        }
    finally:
        end(runtime)
    assert (status["NoNewPrivs"], status["Umask"]) == ("1", "0077")
    assert limits["Max data size"] == [str(2 * spec.memory_bytes)] * 2
    assert limits["Max core file size"] == ["0", "0"]


@linux_only
def test_it_works_in_its_own_folder_when_it_writes_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PANEL_PASSWORD", "PANEL_API_TOKEN", "API_KEY", "AWS_SECRET_ACCESS_KEY", "DOCKER_HOST"):
        monkeypatch.setenv(name, f"value of {name}")
    runtime, process = _start(_writing(tmp_path), tmp_path)
    try:
        entries = Path(f"/proc/{process.pid}/environ").read_bytes().decode().strip("\0").split("\0")
        cwd = Path(process.cwd())
    finally:
        end(runtime)
    environ = dict(entry.split("=", 1) for entry in entries)
    store = tmp_path / "store"
    assert cwd == store
    assert (environ["HOME"], environ["TMPDIR"]) == (str(store), str(store / "tmp"))
    # What somebody else puts there is never imported.
    assert environ["PYTHONSAFEPATH"] == "1"
    assert environ["PYTHONPATH"].split(os.pathsep)[0] == str(CODE_DIR)
    assert [entry for entry in entries if "value of" in entry] == []


@root_only
@pytest.mark.parametrize("secret", ["key", "private/not there yet"])
def test_it_runs_as_root_and_says_so_when_no_other_user_could_read_what_it_needs(
    open_folder: Path, secret: str
) -> None:
    (open_folder / "private").mkdir(mode=0o700)
    (open_folder / "key").touch(mode=0o600)
    open_folder.chmod(0o700)
    spec = dataclasses.replace(_writing(open_folder), env={"KEY_FILE": str(open_folder / secret)})
    assert not can_change_user(spec)
    runtime, process = _start(spec, open_folder)
    try:
        warnings = [check.id for check in runtime.checks({"mlflow": spec}) if check.state == "warning"]
        assert (process.uids().real, warnings) == (0, ["SVC-04"])
        assert stat.S_IMODE(open_folder.stat().st_mode) == 0o700
    finally:
        end(runtime)


@root_only
def test_its_folder_is_its_users_when_it_changes_the_user(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = _writing(open_folder)
    store = open_folder / "store"
    (store / "artifacts").mkdir()
    (store / "artifacts" / "model").touch(mode=0o600)
    foreign = open_folder / "foreign"
    foreign.touch()
    (store / "second name").hardlink_to(foreign)
    (store / "link").symlink_to(foreign)
    open_folder.chmod(0o700)
    monkeypatch.setattr("app.panel.services.process.confinement.can_change_user", lambda _: True)
    assert user_for(spec) == USER_ID
    above = open_folder.stat()
    assert (above.st_uid, above.st_gid, stat.S_IMODE(above.st_mode)) == (0, USER_ID, 0o710)
    owned = [path for path in (store, *store.rglob("*")) if path.lstat().st_uid == USER_ID]
    assert {path.name for path in owned} == {"store", "artifacts", "model", "link"}
    assert foreign.stat().st_uid == 0
    (store / "tmp").symlink_to(open_folder)
    own_environment(store)
    assert open_folder.stat().st_uid == 0
    (store / "tmp").unlink()
    own_environment(store)
    assert (store / "tmp").stat().st_uid == USER_ID
    monkeypatch.setattr("app.panel.services.process.confinement.can_change_user", lambda _: False)
    assert user_for(spec) == 0
    assert {path.lstat().st_uid for path in (store, *store.rglob("*"))} == {0}


def test_the_user_stays_when_the_panel_is_not_root_or_the_service_writes_nothing(tmp_path: Path) -> None:
    assert user_for(fake_spec("api", free_port())) == 0
    if not is_root():
        assert user_for(_writing(tmp_path)) == 0
