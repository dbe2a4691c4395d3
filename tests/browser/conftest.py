"""A real panel in a process of its own, on free ports and temporary folders, and a real Chromium that looks at it."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from bench.ports import free_ports
from bench.wait import until

ROOT = Path(__file__).parent.parent.parent
START_S = 30.0
# Training shares two cores with whatever else runs; expectations of a run wait as long as this.
RUN_MS = 120_000
TABLE = "age,income,city,late\n" + "".join(
    f"{20 + i % 50},{1000 + 37 * (i * i % 101)},{'abc'[i % 3]},{int(i % 50 > 30) if i % 11 else 1}\n"
    for i in range(900)
)


@dataclass(frozen=True)
class PanelProcess:
    """The running panel: where it is, how to log in, where it keeps things."""

    url: str
    login_url: str
    token: str
    ports: dict[str, int]
    data_dir: Path
    output: Path

    def api(self, path: str, body: object | None = None) -> Any:
        """Return the JSON answer of the panel's API; POST where there is a body."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def log(self, number: int) -> list[dict[str, Any]]:
        """Return all lines of a run."""
        request = urllib.request.Request(
            f"{self.url}/api/v1/runs/{number}/log?after=0", headers={"Authorization": f"Bearer {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return [json.loads(line) for line in answer.read().splitlines()]

    def wait_idle(self, timeout_s: float = 120.0) -> None:
        """Return when no run is active."""
        active = {"queued", "running", "retrying", "cancelling"}
        until(
            lambda: all(run["state"] not in active for run in self.runs()),
            within_s=timeout_s,
            interval_s=0.1,
            what="all runs end",
        )

    def wait_services(self, timeout_s: float = 120.0) -> None:
        """Return when all services are healthy."""

        def look() -> bool:
            services = self.api("/api/v1/services")
            assert services["is_healthy"], services
            return True

        until(look, within_s=timeout_s, interval_s=0.1, what="all services are healthy", not_yet=(AssertionError,))

    def runs(self) -> list[dict[str, Any]]:
        """Return the newest runs."""
        rows: list[dict[str, Any]] = self.api("/api/v1/runs")["runs"]
        return rows


@pytest.fixture(scope="session")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelProcess]:
    home = tmp_path_factory.mktemp("panel")
    (home / "data/raw").mkdir(parents=True)
    (home / "data/raw/people.csv").write_text(TABLE)
    names = ("PANEL_PORT", "API_PORT", "APP_PORT", "MLFLOW_PORT")
    ports = dict(zip(names, free_ports(4), strict=True))
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PANEL_", "ML_PIPELINE_"))},
        **{name: str(port) for name, port in ports.items()},
        "ML_PIPELINE_DATA": str(home / "data"),
        "ML_PIPELINE_STATE": str(home / "state"),
        "ML_PIPELINE_MODELS": str(home / "models"),
        "ML_PIPELINE_RUNTIME": "process",
        "PIPELINE_TARGET": "late",
        "RETRY_DELAY_S": "1",
        "RUN_STARTS_PER_MINUTE": "10000",
    }
    output = home / "output"
    with output.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.panel"], cwd=ROOT, env=env, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        login_url = _login_url(process, output)
        yield PanelProcess(
            url=login_url.split("/login")[0],
            login_url=login_url,
            token=(home / "state/cli-token").read_text().strip(),
            ports=ports,
            data_dir=home / "data",
            output=output,
        )
    finally:
        process.send_signal(signal.SIGINT)  # which ends the services as well
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            subprocess.run([sys.executable, "-m", "app.panel.cli", "down"], cwd=ROOT, env=env, check=True)


def _login_url(process: subprocess.Popen[bytes], output: Path) -> str:
    def look() -> re.Match[str] | None:
        assert process.poll() is None, output.read_text()
        return re.search(r"http://\S+/login\S*", output.read_text())

    return until(look, within_s=START_S, interval_s=0.05, what="the panel prints its login link")[0]


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with contextlib.closing(browser.new_context(viewport={"width": 1280, "height": 900})) as opened:
        yield opened


@pytest.fixture
def complaints() -> list[str]:
    """Return the browser console's complaints about the page: errors, refused scripts and styles."""
    return []


@pytest.fixture
def page(context: BrowserContext, panel: PanelProcess, complaints: list[str]) -> Iterator[Page]:
    """Yield a tab that has followed the login link. The test fails if the page broke its own content security policy."""
    opened = context.new_page()
    watch(opened, complaints)
    expect.set_options(timeout=15_000)
    opened.goto(panel.login_url)
    yield opened
    assert complaints == []


def watch(page: Page, complaints: list[str]) -> None:
    """Collect what goes wrong on `page`."""

    def on_console(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(message.text)

    page.on("console", on_console)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
