"""`ml-pipeline down`: with a panel that does not stop, one that is elsewhere, none; what it says of what was left."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.panel import startup
from app.panel.cli_stop import down, left_services
from app.panel.services.factory import services_dir
from app.panel.services.process.runtime import ProcessRuntime
from app.panel.services.specs import process_placement
from app.panel.settings import Settings
from bench.ports import free_port
from pipeline.core.problems import ProblemError
from tests.app.panel.services.conftest import fake_spec

pytestmark = pytest.mark.process
PANEL = """
import signal, sys, time
from pathlib import Path
from app.panel import startup
from app.panel.settings import Settings
if sys.argv[2] == "stubborn":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
settings = Settings(state_dir=Path(sys.argv[1]))
lock = startup.lock(settings)
if sys.argv[2] == "elsewhere":
    lock.truncate(0)
print("locked", flush=True)
time.sleep(600)
"""


@contextmanager
def a_panel(state_dir: Path, how: str) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a stand-in for a panel that has the state folder; it is "stubborn", "elsewhere" or "usual"."""
    command = [sys.executable, "-c", PANEL, str(state_dir), how]
    panel = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert panel.stdout is not None
        assert panel.stdout.readline() == b"locked\n"
        yield panel
    finally:
        panel.kill()
        panel.communicate()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path / "state", runtime="process")


def test_panel_is_stopped_when_it_can_be(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with a_panel(settings.state_dir, "usual") as panel:
        assert down(settings) == 0
        panel.wait(10)
    assert capsys.readouterr().out == "The panel is stopped.\n"


@pytest.mark.parametrize(
    ("how", "why"), [("stubborn", "It did not stop within 0.5 s."), ("elsewhere", "Its process is not seen from here.")]
)
def test_panel_is_named_when_it_cannot_be_stopped(settings: Settings, how: str, why: str) -> None:
    with a_panel(settings.state_dir, how) as panel:
        with pytest.raises(ProblemError) as caught:
            down(settings, within_s=0.5)
        assert panel.poll() is None
    assert (caught.value.id, caught.value.why) == ("PANEL-12", why)
    assert (f"process {panel.pid} on port" in caught.value.what) is (how == "stubborn")


def test_compose_is_named_when_the_services_are_containers(tmp_path: Path) -> None:
    with pytest.raises(ProblemError) as caught:
        down(Settings(state_dir=tmp_path, runtime="docker"))
    assert (caught.value.id, caught.value.command) == ("PANEL-13", "docker compose --profile all down")


def test_services_are_named_and_ended_when_no_panel_runs(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert left_services(settings) == ""
    runtime = ProcessRuntime(process_placement(settings), services_dir(settings))
    port = free_port()
    runtime.ensure(fake_spec("api", port))
    pid = runtime.observe("api").instance_id.partition("-")[0]
    runtime.close()
    assert f"Without a panel there still runs: Prediction API on port {port} (process {pid})." in left_services(
        settings
    )
    with startup.lock(settings):
        assert left_services(settings) == ""
    assert down(settings) == 0
    assert capsys.readouterr().out == "Prediction API is ended.\n"
    assert left_services(settings) == ""
    assert down(settings) == 0
    assert capsys.readouterr().out == f"Nothing runs for the state folder {settings.state_dir}.\n"


def test_nothing_is_made_when_nothing_was_there(settings: Settings) -> None:
    assert down(settings) == 0
    assert not settings.state_dir.exists()
