"""The checks of the machine: each says what is wrong, why, and what to do."""

from pathlib import Path

import pytest

from app.panel.clock import SystemClock
from app.panel.services import preflight
from app.panel.services.preflight import Preflight
from app.panel.settings import Settings
from pipeline.errors import ProblemError
from tests.app.panel.services.conftest import Supervise, fake_spec, free_ports

GB = 2**30


def test_all_is_well_when_the_machine_has_what_is_needed(supervise: Supervise, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", state_dir=tmp_path / "state", models_dir=tmp_path / "models")
    port = free_ports(1)[0]
    view = Preflight(settings, supervise(fake_spec("api", port)), SystemClock()).view()
    assert view.state == "ok", view.checks
    names = [check.name for check in view.checks]
    assert names[:4] == ["Python", "Data folder", "State folder", "Models folder"]
    assert f"Port {port}" in names


def test_the_strip_is_red_when_a_port_is_taken(supervise: Supervise, tmp_path: Path) -> None:
    import socket

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
    assert "3.0 GB" in preflight.check_disk(tmp_path, 3 * GB)
    with pytest.raises(ProblemError, match="DISK-02") as caught:
        preflight.check_disk(tmp_path, GB)
    assert caught.value.retryable
    with pytest.raises(ProblemError, match="DISK-02") as caught:
        preflight.check_disk(tmp_path, GB // 10)
    assert not caught.value.retryable


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
    with pytest.raises(ProblemError, match="MLF-03"):
        preflight.check_mlflow()
