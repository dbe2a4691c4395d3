"""A service outlives the panel, whatever ends that, and the next panel finds it, or ends what it does not know."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from app.panel.services.process.records import Records
from app.panel.services.process.service_processes import OWNER_VARIABLE, ServiceProcess, ServiceProcesses
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
folder = Path(sys.argv[1])
services = ServiceProcesses(folder)
output = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
service = services.start(fake_spec("api", int(sys.argv[2]), f"--child-pid-file={folder / 'worker'}"), folder, output)
if sys.argv[3] == "noted":
    services.note("api", service)
(folder / "leader").write_text(str(service.process.pid))
time.sleep(600)
"""


def kill_panel(folder: Path, *, noted: bool) -> tuple[int, int]:
    """Return a service and its worker, in a session of its own, that a killed stand-in for the panel has left."""
    arguments = [str(folder), str(free_port()), "noted" if noted else "not noted"]
    panel = subprocess.Popen([sys.executable, "-c", PANEL, *arguments])
    worker = folder / "worker"
    until(lambda: worker.exists() and worker.read_text() != "", what="the worker writes its pid")
    until((folder / "leader").exists, what="the leader writes its pid")
    panel.kill()
    panel.wait()
    return int((folder / "leader").read_text()), int(worker.read_text())


def started(services: ServiceProcesses, folder: Path, *args: str) -> ServiceProcess:
    with (folder / "log").open("ab") as output:
        return services.start(fake_spec("api", free_port(), *args), folder, output.fileno())


def test_the_service_is_found_with_all_below_it_when_the_panel_was_killed(tmp_path: Path) -> None:
    leader, worker = kill_panel(tmp_path, noted=True)
    services = ServiceProcesses(tmp_path)
    found = services.find("api")
    assert found is not None
    assert found.process.pid == leader
    assert services.sweep("api", keep=found) == 0
    assert (is_running(leader), is_running(worker), services.find("app")) == (True, True, None)
    found.process.end(5.0)
    assert services.find("api") is None
    until(lambda: not is_running(leader) and not is_running(worker), what="both end")


def test_the_service_is_ended_when_the_panel_was_killed_before_it_had_noted_it(tmp_path: Path) -> None:
    leader, worker = kill_panel(tmp_path, noted=False)
    services = ServiceProcesses(tmp_path)
    assert services.find("api") is None
    services.sweep("api")
    until(lambda: not is_running(leader) and not is_running(worker), what="both end")


def test_workers_end_too_when_a_service_is_stopped(tmp_path: Path) -> None:
    services = ServiceProcesses(tmp_path)
    worker = tmp_path / "worker"
    service = started(services, tmp_path, f"--child-pid-file={worker}")
    until(lambda: worker.exists() and worker.read_text() != "", what="the worker writes its pid")
    service.process.end(5.0)
    assert service.process.exit_code == -signal.SIGTERM
    until(lambda: not is_running(int(worker.read_text())), what="the worker ends")


def test_only_our_own_are_swept_when_others_run_too(tmp_path: Path) -> None:
    services = ServiceProcesses(tmp_path)
    own = Records(tmp_path).mark()
    marks = (f"{own}/api", f"{own}/app", f"{own}2/api", "somebody else/api")
    ours, *others = [subprocess.Popen(SLEEP, env={**os.environ, OWNER_VARIABLE: mark}) for mark in marks]
    try:
        until(lambda: services.sweep("api") == 1, what="the marked process is swept")
        ours.wait(10)
        assert [other.poll() for other in others] == [None] * 3
    finally:
        for other in others:
            other.kill()
            other.wait()


def test_the_panels_secrets_are_not_passed_on_when_a_service_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PANEL_PASSWORD", "secret")
    service = started(ServiceProcesses(tmp_path), tmp_path)
    until(lambda: str(FAKE) in psutil.Process(service.process.pid).cmdline(), what="the service is executed")
    environ = psutil.Process(service.process.pid).environ()
    service.process.end(5.0)
    assert "PANEL_PASSWORD" not in environ
    assert environ[OWNER_VARIABLE] == f"{Records(tmp_path).mark()}/api"


def test_the_reason_is_given_when_no_process_can_be_started(tmp_path: Path) -> None:
    services = ServiceProcesses(tmp_path)
    with (tmp_path / "log").open("ab") as output, pytest.raises(ProblemError, match="SVC-01"):
        services.start(fake_spec("api", 1234), tmp_path / "missing", output.fileno())
