"""Nothing outlives the panel, whatever kills it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from app.panel.services.process.service_processes import OWNER_VARIABLE, ServiceProcesses
from app.processes.tree import is_running
from bench.ports import free_port
from bench.wait import until
from pipeline.core.problems import ProblemError
from tests.app.panel.services.conftest import FAKE, fake_spec
from tests.app.processes.processes import SLEEP

pytestmark = pytest.mark.process
PANEL = """
import os, sys, time
from pathlib import Path
from app.panel.services.process.service_processes import ServiceProcesses
from tests.app.panel.services.conftest import fake_spec
services = ServiceProcesses("test-owner")
folder = Path(sys.argv[1])
output = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
service = services.start(fake_spec("api", int(sys.argv[2]), f"--child-pid-file={folder / 'worker'}"), folder, output)
(folder / "leader").write_text(str(service.process.pid))
print("up", flush=True)
time.sleep(600)
"""


def start_panel(folder: Path) -> tuple[subprocess.Popen[str], int, int]:
    """Return a stand-in for the panel with one service, which has a worker in a session of its own."""
    panel = subprocess.Popen(
        [sys.executable, "-c", PANEL, str(folder), str(free_port())], stdout=subprocess.PIPE, text=True
    )
    worker = folder / "worker"
    until(lambda: worker.exists() and worker.read_text() != "", what="the worker writes its pid")
    until((folder / "leader").exists, what="the leader writes its pid")
    return panel, int((folder / "leader").read_text()), int(worker.read_text())


def test_the_service_ends_when_the_panel_is_killed(tmp_path: Path) -> None:
    panel, leader, worker = start_panel(tmp_path)
    reapers = [
        process.pid for process in psutil.Process(panel.pid).children() if "reaper.py" in " ".join(process.cmdline())
    ]
    assert len(reapers) == 1
    panel.kill()
    panel.communicate()
    until(lambda: not is_running(leader) and not is_running(reapers[0]), what="the leader and its reaper end")
    # The worker left the group; the next panel finds it by its mark.
    services = ServiceProcesses("test-owner")
    services.sweep()
    services.close()
    until(lambda: not is_running(worker), what="the worker ends")


def test_the_whole_group_ends_when_the_panel_is_killed(tmp_path: Path) -> None:
    """A worker that stays in its group is not ended by the kernel; the reaper ends it."""
    panel = subprocess.Popen(
        [
            sys.executable,
            "-c",
            PANEL.replace("--child-pid-file", "--group-pid-file"),
            str(tmp_path),
            str(free_port()),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    worker = tmp_path / "worker"
    until(lambda: worker.exists() and worker.read_text() != "", what="the worker writes its pid")
    until((tmp_path / "leader").exists, what="the leader writes its pid")
    panel.kill()
    panel.communicate()
    until(lambda: not is_running(int(worker.read_text())), what="the worker ends")


def test_workers_end_too_when_a_service_is_stopped(tmp_path: Path) -> None:
    services = ServiceProcesses("another-owner")
    worker = tmp_path / "worker"
    with (tmp_path / "log").open("ab") as output:
        service = services.start(fake_spec("api", free_port(), f"--child-pid-file={worker}"), tmp_path, output.fileno())
    until(lambda: worker.exists() and worker.read_text() != "", what="the worker writes its pid")
    service.process.end(5.0)
    services.close()
    assert service.process.exit_code == -signal.SIGTERM
    until(lambda: not is_running(int(worker.read_text())), what="the worker ends")


def test_only_our_own_are_swept_when_others_run_too(tmp_path: Path) -> None:
    foreign = subprocess.Popen(SLEEP, env={**os.environ, OWNER_VARIABLE: "somebody else"})
    ours = subprocess.Popen(SLEEP, env={**os.environ, OWNER_VARIABLE: "swept-owner"})
    services = ServiceProcesses("swept-owner")
    try:
        until(lambda: services.sweep() == 1, what="the marked process is swept")
        ours.wait(10)
        assert foreign.poll() is None
    finally:
        services.close()
        foreign.kill()
        foreign.wait()


def test_the_panels_secrets_are_not_passed_on_when_a_service_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PANEL_PASSWORD", "secret")
    services = ServiceProcesses("third-owner")
    with (tmp_path / "log").open("ab") as output:
        service = services.start(fake_spec("api", free_port()), tmp_path, output.fileno())
    until(lambda: str(FAKE) in psutil.Process(service.process.pid).cmdline(), what="the service is executed")
    environ = psutil.Process(service.process.pid).environ()
    service.process.end(5.0)
    services.close()
    assert "PANEL_PASSWORD" not in environ
    assert environ[OWNER_VARIABLE] == "third-owner"


def test_the_reason_is_given_when_no_process_can_be_started(tmp_path: Path) -> None:
    services = ServiceProcesses("fourth-owner")
    with (tmp_path / "log").open("ab") as output, pytest.raises(ProblemError, match="SVC-01"):
        services.start(fake_spec("api", 1234), tmp_path / "missing", output.fileno())
    services.close()
