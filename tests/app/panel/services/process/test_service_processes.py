"""Nothing outlives the panel, whatever kills it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from app.panel.services.process.service_processes import OWNER_VARIABLE, ServiceProcesses
from pipeline.core.problems import ProblemError
from tests.app.panel.services.conftest import FAKE, fake_spec, free_ports

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


def until(condition: Callable[[], bool], deadline_s: float = 15.0) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def start_panel(folder: Path) -> tuple[subprocess.Popen[str], int, int]:
    """A stand-in for the panel with one service, which has a worker in a session of its own."""
    panel = subprocess.Popen(
        [sys.executable, "-c", PANEL, str(folder), str(free_ports(1)[0])], stdout=subprocess.PIPE, text=True
    )
    worker = folder / "worker"
    until(lambda: worker.exists() and worker.read_text() != "")
    until((folder / "leader").exists)
    return panel, int((folder / "leader").read_text()), int(worker.read_text())


def test_the_service_ends_when_the_panel_is_killed(tmp_path: Path) -> None:
    panel, leader, worker = start_panel(tmp_path)
    reapers = [
        process.pid for process in psutil.Process(panel.pid).children() if "reaper.py" in " ".join(process.cmdline())
    ]
    assert len(reapers) == 1
    panel.kill()
    panel.communicate()
    until(lambda: not is_alive(leader) and not is_alive(reapers[0]))
    # The worker left the group; the next panel finds it by its mark.
    services = ServiceProcesses("test-owner")
    services.sweep()
    services.close()
    until(lambda: not is_alive(worker))


def test_the_whole_group_ends_when_the_panel_is_killed(tmp_path: Path) -> None:
    """A worker that stays in its group is not told by the kernel; the reaper ends it."""
    panel = subprocess.Popen(
        [
            sys.executable,
            "-c",
            PANEL.replace("--child-pid-file", "--group-pid-file"),
            str(tmp_path),
            str(free_ports(1)[0]),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    worker = tmp_path / "worker"
    until(lambda: worker.exists() and worker.read_text() != "")
    until((tmp_path / "leader").exists)
    panel.kill()
    panel.communicate()
    until(lambda: not is_alive(int(worker.read_text())))


def test_workers_end_too_when_a_service_is_stopped(tmp_path: Path) -> None:
    services = ServiceProcesses("another-owner")
    worker = tmp_path / "worker"
    with (tmp_path / "log").open("ab") as output:
        service = services.start(
            fake_spec("api", free_ports(1)[0], f"--child-pid-file={worker}"), tmp_path, output.fileno()
        )
    until(lambda: worker.exists() and worker.read_text() != "")
    service.process.end(5.0)
    services.close()
    assert service.process.exit_code == -signal.SIGTERM
    until(lambda: not is_alive(int(worker.read_text())))


def test_only_our_own_are_swept_when_others_run_too(tmp_path: Path) -> None:
    foreign = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], env={**os.environ, OWNER_VARIABLE: "somebody else"}
    )
    ours = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], env={**os.environ, OWNER_VARIABLE: "swept-owner"}
    )
    services = ServiceProcesses("swept-owner")
    try:
        until(lambda: services.sweep() == 1)
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
        service = services.start(fake_spec("api", free_ports(1)[0]), tmp_path, output.fileno())
    until(lambda: str(FAKE) in psutil.Process(service.process.pid).cmdline())
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
