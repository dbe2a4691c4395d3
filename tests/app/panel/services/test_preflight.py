"""The checks of the machine: each says what is wrong, why, and what to do."""

import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.panel.clock import SystemClock
from app.panel.disk_room import Need, Room
from app.panel.services import preflight
from app.panel.services.docker.engine_problems import EngineNotRespondingError
from app.panel.services.preflight import Preflight, service_checks
from app.panel.services.protocol import SERVICES, Placement, ServiceName, ServiceSpec
from app.panel.services.specs import DesiredServices
from app.panel.services.supervisor import ServiceSupervisor
from app.panel.services.views import ServiceProblem, ServicesView
from app.panel.settings import Settings
from bench.ports import free_port
from pipeline.core.problems import ProblemError
from tests.app.panel.services.conftest import Supervise, fake_spec
from tests.builders.disks import SmallDisk

GB = 2**30


def test_all_is_well_when_the_machine_has_what_is_needed(supervise: Supervise, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", state_dir=tmp_path / "state", models_dir=tmp_path / "models")
    port = free_port()
    view = Preflight(settings, supervise(fake_spec("api", port)), SystemClock()).view()
    assert view.state == "ok", view.checks
    names = [check.name for check in view.checks]
    assert names[:4] == ["Python", "Data folder", "State folder", "Models folder"]
    assert f"Port {port}" in names


def test_the_strip_is_red_when_a_port_is_taken(supervise: Supervise, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, state_dir=tmp_path, models_dir=tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        view = Preflight(settings, supervise(fake_spec("api", port)), SystemClock()).view()
    assert view.state == "error"
    check = next(check for check in view.checks if check.state == "error")
    assert (check.id, check.name) == ("PORT-01", f"Port {port}")
    assert check.fix
    assert check.command


def test_the_owner_is_named_when_a_folder_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)  # tests may run as root, who may write anywhere
    with pytest.raises(ProblemError, match="PERM-01") as caught:
        preflight.check_writable(tmp_path / "not" / "there", "ML_PIPELINE_STATE")
    assert "ML_PIPELINE_STATE" in caught.value.fix


def test_it_is_a_warning_when_the_disk_gets_full_and_an_error_when_no_run_fits(tmp_path: Path) -> None:
    need = Need("models", tmp_path, GB, "a model")
    assert "3.0 GB" in preflight.check_disk(Room(3 * GB, (need,)))
    with pytest.raises(ProblemError, match="DISK-02") as caught:
        preflight.check_disk(Room(2 * GB, (need,)))
    assert caught.value.retryable
    assert str(tmp_path) in caught.value.what
    with pytest.raises(ProblemError, match="DISK-02") as caught:
        preflight.check_disk(Room(GB - 1, (need,)))
    assert not caught.value.retryable
    assert caught.value.why == "No run is started. A run needs about 1,024 MB there: 1,024 MB for a model."


@pytest.mark.process
def test_each_disk_has_a_check_of_its_own_when_there_are_several(
    tmp_path: Path, small_disk: Callable[..., SmallDisk]
) -> None:
    disk = small_disk(tmp_path / "models")
    settings = Settings(data_dir=tmp_path / "data", state_dir=tmp_path / "state", models_dir=disk.folder)
    checks = {check.name: check for check in preflight.disk_checks(settings)}
    assert (checks["Disk of models"].state, checks["Disk of state"].state) == ("error", "ok")
    assert checks["Disk of models"].command == f"df -h {disk.folder}"


def test_it_is_said_when_memory_is_short() -> None:
    assert "2.0 GB" in preflight.check_memory(2 * GB)
    with pytest.raises(ProblemError, match="MEM-01"):
        preflight.check_memory(GB // 2)


def test_a_network_file_system_is_named_when_the_history_lies_on_it(tmp_path: Path) -> None:
    assert preflight.file_system(tmp_path) == preflight.file_system(tmp_path / "not" / "there")
    assert "ext4" in preflight.check_file_system("ext4")
    with pytest.raises(ProblemError, match="FS-01"):
        preflight.check_file_system("nfs4")


def test_it_is_said_when_mlflow_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert preflight.check_mlflow() == "Installed."
    monkeypatch.setattr(preflight, "find_spec", lambda _: None)
    with pytest.raises(ProblemError, match="MLF-03") as caught:
        preflight.check_mlflow()
    assert "requirements/panel.txt" in caught.value.command
    assert "docker compose up -d --build" in caught.value.command


def test_it_is_a_warning_when_drift_should_start_runs_and_anybody_can_send_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data_dir=tmp_path, state_dir=tmp_path, models_dir=tmp_path)
    drifting = settings.model_copy(update={"drift_starts_run": True})
    monkeypatch.delenv("API_KEY", raising=False)
    (check,) = (check for check in preflight.machine_checks(drifting) if check.name == "Drift")
    assert (check.id, check.state, check.fix) == ("DRIFT-01", "warning", "Set API_KEY, and start the panel again.")
    monkeypatch.setenv("API_KEY", "s3cret-s3cret-s3cret-s3cret-s3cret")
    (check,) = (check for check in preflight.machine_checks(drifting) if check.name == "Drift")
    assert check.state == "ok"
    assert not [check for check in preflight.machine_checks(settings) if check.name == "Drift"]


def test_what_a_service_suffers_from_is_among_the_checks_when_no_check_of_the_machine_sees_it(
    supervise: Supervise,
) -> None:
    now = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    (row,) = supervise(fake_spec("api", 1)).view().rows
    taken = ServiceProblem("PORT-01", "Port 1 is used by another program.", "why", "fix", "command")
    killed = ServiceProblem("DOCK-11", "It was out of memory.", "why", "fix", "command")
    suffering = replace(row, problem=taken, ended=killed, ended_at=now)
    recovered = replace(row, ended=killed, ended_at=now - timedelta(minutes=9))
    well = replace(row, ended=killed, ended_at=now - timedelta(minutes=11))
    views = [ServicesView("docker", False, (one,)) for one in (suffering, recovered, well)]
    listed = [[(check.id, check.name, check.state) for check in service_checks(view, now)] for view in views]
    assert listed == [[("PORT-01", "Prediction API", "error")], [("DOCK-11", "Prediction API", "warning")], []]


def test_a_problem_is_listed_once_when_the_runtime_and_the_service_name_it(
    supervise: Supervise, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path, state_dir=tmp_path, models_dir=tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        supervisor = supervise(fake_spec("api", other.getsockname()[1]))
        supervisor.step("api")
        view = Preflight(settings, supervisor, SystemClock()).view()
    assert [check.id for check in view.checks if check.state == "error"] == ["PORT-01"]


def test_a_problem_is_listed_once_when_all_services_suffer_from_it(supervise: Supervise, tmp_path: Path) -> None:
    def away(_: Placement) -> dict[ServiceName, ServiceSpec]:
        raise EngineNotRespondingError("connection refused", timed_out=False)

    runtime = supervise(fake_spec("api", 1)).runtime
    desired = DesiredServices("docker", {"api": 1, "app": 2, "mlflow": 3}, away)
    supervisor = ServiceSupervisor(runtime, desired, SystemClock())
    for name in SERVICES:
        supervisor.step(name)
    settings = Settings(data_dir=tmp_path, state_dir=tmp_path, models_dir=tmp_path)
    view = Preflight(settings, supervisor, SystemClock()).view()
    assert [check.id for check in view.checks if check.state == "error"] == ["DOCK-07"]
