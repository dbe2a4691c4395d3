"""What becomes of the services, and of who asks the prediction API, when the panel ends: real panels, real services."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from app.processes.tree import is_running
from bench.bundles import make_bundle
from bench.wait import until
from tests.builders.panels import Asker, Panels

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture
def panels(tmp_path: Path) -> Iterator[Panels]:
    """Yield panels with a live model, so that the API has what it answers with."""
    panels = Panels(tmp_path)
    panels.settings.models_dir.mkdir()
    make_bundle(panels.settings.models_dir)
    yield panels
    panels.close()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_request_fails_when_the_panel_ends_and_the_next_one_comes(panels: Panels, how: signal.Signals) -> None:
    first = panels.start()
    api = panels.wait_until_serving()
    with Asker(panels.ports["API_PORT"], "/readyz").asking() as asker:
        until(lambda: asker.n_asked >= 10, what="the API is asked")
        first.send_signal(how)
        first.wait(20)
        n_alone = asker.n_asked
        until(lambda: asker.n_asked >= n_alone + 20, what="the API is asked without a panel")
        panels.start()
        assert panels.wait_until_running("api") == api
        n_adopted = asker.n_asked
        until(lambda: asker.n_asked >= n_adopted + 20, what="the API is asked with the next panel")
    assert asker.failures == []
    # From now on the next panel looks after it.
    log = panels.settings.state_dir / "services" / "api.log"
    os.kill(api, signal.SIGKILL)
    assert panels.wait_until_running("api", n_restarts=1) != api
    assert log.stat().st_size > 0


def test_no_request_fails_when_the_next_panel_has_other_settings(panels: Panels) -> None:
    first = panels.start()
    api = panels.wait_until_serving()
    with Asker(panels.ports["API_PORT"], "/readyz").asking() as asker:
        for max_rows in (1000, 2000):
            panels.stop(first)
            first = panels.start(API_MAX_ROWS=str(max_rows))
            assert panels.wait_until_running("api") != api
            api = panels.running()["api"]
            n_replaced = asker.n_asked
            until(lambda n=n_replaced: asker.n_asked >= n + 20, what="the API is asked")  # type: ignore[misc]
    assert asker.failures == []
    assert psutil.Process(api).environ()["API_MAX_ROWS"] == "2000"


def test_one_api_is_left_when_the_panel_is_killed_while_it_replaces_it(panels: Panels) -> None:
    panels.stop(panels.start_and_wait())
    for max_rows in (1000, 2000, 3000):
        panel = panels.start(API_MAX_ROWS=str(max_rows))
        until(lambda: len(panels.of_service("api")) > 1, within_s=30, what="the new one is started beside the old one")
        panel.kill()
        panel.wait()
    panels.start(API_MAX_ROWS="3000")
    api = panels.wait_until_running("api")
    assert panels.of_service("api") == [api]
    assert psutil.Process(api).environ()["API_MAX_ROWS"] == "3000"


def test_no_request_fails_when_panels_are_killed_while_they_take_over(panels: Panels) -> None:
    panel = panels.start()
    api = panels.wait_until_serving()
    with Asker(panels.ports["API_PORT"], "/readyz").asking() as asker:
        for sign in ("action=adopt_service service=api", "action=adopt_service service=mlflow", "Control panel: "):
            panel.kill()
            panel.wait()
            n_seen = panels.log.read_text().count(sign)
            panel = panels.start()
            until(lambda sign=sign, n=n_seen: panels.log.read_text().count(sign) > n, within_s=30, what=sign)  # type: ignore[misc]
        panel.kill()
        panel.wait()
        panels.start()
        assert panels.wait_until_running("api") == api
    assert (asker.failures, panels.of_service("api")) == ([], [api])


def test_services_end_when_the_panel_is_interrupted(panels: Panels) -> None:
    """Also those that an earlier panel had started."""
    first = panels.start()
    api = panels.wait_until_running("api")
    first.kill()
    first.wait()
    assert is_running(api)
    second = panels.start()
    assert panels.wait_until_running("api") == api
    started = panels.running()
    second.send_signal(signal.SIGINT)
    assert second.wait(30) == 0
    assert panels.running() == {}
    assert [pid for pid in started.values() if is_running(pid)] == []


def test_terminal_names_and_ends_what_runs_when_the_panel_was_killed(panels: Panels) -> None:
    assert panels.cli("down").stdout.startswith("Nothing runs for the state folder ")
    assert not panels.settings.state_dir.exists()
    first = panels.start()
    api = panels.wait_until_running("api")
    first.kill()
    first.wait()
    status = panels.cli("status")
    assert status.returncode == 2
    port = panels.ports["API_PORT"]
    assert "Without a panel there still runs: " in status.stdout
    assert f"Prediction API on port {port} (process {api})" in status.stdout
    assert "PANEL-07" in status.stderr
    left = panels.running()
    down = panels.cli("down")
    assert (down.returncode, down.stderr) == (0, "")
    assert "Prediction API is ended.\n" in down.stdout
    assert panels.running() == {}
    assert [pid for pid in left.values() if is_running(pid)] == []
    assert panels.cli("down").stdout.startswith("Nothing runs for the state folder ")


def test_panel_and_services_end_when_the_terminal_takes_them_down(panels: Panels) -> None:
    panel = panels.start()
    panels.wait_until_running("api")
    started = panels.running()
    down = panels.cli("down")
    assert (down.returncode, down.stdout.splitlines()[0]) == (0, "The panel is stopped.")
    assert panel.wait(30) == 0
    assert [pid for pid in started.values() if is_running(pid)] == []


def test_nothing_of_another_instance_is_touched_when_a_panel_starts_on_a_copy_of_its_folder(
    panels: Panels, tmp_path: Path
) -> None:
    first = panels.start()
    api = panels.wait_until_running("api")
    (tmp_path / "copy").mkdir()
    shutil.copytree(panels.settings.state_dir, tmp_path / "copy" / "state")
    other = Panels(tmp_path / "copy")
    try:
        assert other.running() == {}
        other.start()
        assert other.wait_until_running("api") != api
        assert other.cli("down").returncode == 0
    finally:
        other.close()
    assert (first.poll(), panels.wait_until_running("api")) == (None, api)
