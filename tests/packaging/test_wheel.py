"""A built wheel is the whole product: installed elsewhere it starts in an empty folder and draws every page."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from bench.ports import free_ports
from bench.wait import until

pytestmark = pytest.mark.process
ROOT = Path(__file__).parent.parent.parent
TOKEN = "a-token-of-more-than-sixteen-characters"
PAGES = ("/", "/runs", "/models", "/data", "/drift", "/services", "/static/css/app.css", "/api/v1/runs")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder into which the wheel was installed; its dependencies are those of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [wheel] = folder.glob("*.whl")
    target = folder / "site-packages"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(wheel)],
        check=True,
        capture_output=True,
    )
    return target


@pytest.fixture(scope="module")
def panel(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """Yield a client of `ml-pipeline up` in an empty folder."""
    names = ("PANEL_PORT", "API_PORT", "APP_PORT", "MLFLOW_PORT")
    ports = dict(zip(names, map(str, free_ports(4)), strict=True))
    env = {**os.environ, **ports, "PYTHONPATH": str(installed), "PANEL_API_TOKEN": TOKEN}
    empty = tmp_path_factory.mktemp("empty")
    with (empty.parent / "wheel-panel.log").open("w+b") as log:
        process = subprocess.Popen(
            [sys.executable, str(installed / "bin" / "ml-pipeline"), "up"], cwd=empty, env=env, stdout=log, stderr=log
        )
        try:
            base = f"http://127.0.0.1:{ports['PANEL_PORT']}"
            with httpx2.Client(base_url=base, headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False) as client:
                wait_for_answer(client, process, Path(log.name))
                yield client
        finally:
            process.send_signal(signal.SIGINT)  # which ends the services as well
            process.wait(30)


def wait_for_answer(client: httpx2.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    def answers() -> bool:
        if process.poll() is not None:
            pytest.fail(log.read_text("utf-8"))
        client.get("/healthz")
        return True

    try:
        until(answers, within_s=60, what="the panel answers", not_yet=(httpx2.TransportError,))
    except AssertionError as error:
        raise AssertionError(log.read_text("utf-8")) from error


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_drawn_when_the_wheel_is_installed_elsewhere(panel: httpx2.Client, page: str) -> None:
    response = panel.get(page)
    assert response.status_code == 200, response.text


def test_the_code_is_that_of_the_wheel_when_it_runs_there(installed: Path) -> None:
    code = "import app, pipeline, app.web.templating as t; print(app.__file__, pipeline.__file__, t.TEMPLATES_DIR)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=installed.parent,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(Path(path).is_relative_to(installed) for path in done.stdout.split())
