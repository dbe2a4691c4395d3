"""Panels that follow each other on one state folder, and somebody who asks the prediction API all the while."""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psutil

from app.panel.services.factory import services_dir
from app.panel.services.process.records import Records
from app.panel.services.process.service_processes import OWNER_VARIABLE
from app.panel.services.protocol import ServiceName
from app.panel.settings import Settings
from bench.ports import free_ports
from bench.wait import until

PORTS = ("PANEL_PORT", "API_PORT", "APP_PORT", "MLFLOW_PORT")
ROOT = Path(__file__).parent.parent.parent


class Panels:
    """Starts real panels in `folder`, one after the other, with services that are processes; `close` ends everything."""

    def __init__(self, folder: Path) -> None:
        self.ports = dict(zip(PORTS, free_ports(4), strict=True))
        self.settings = Settings(
            data_dir=folder / "data",
            state_dir=folder / "state",
            models_dir=folder / "models",
            panel_port=self.ports["PANEL_PORT"],
            api_port=self.ports["API_PORT"],
        )
        self.log = folder / "panel.log"
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PANEL_", "ML_PIPELINE_"))},
            **{name: str(port) for name, port in self.ports.items()},
            "PYTHONPATH": str(ROOT),
            "ML_PIPELINE_DATA": str(self.settings.data_dir),
            "ML_PIPELINE_STATE": str(self.settings.state_dir),
            "ML_PIPELINE_MODELS": str(self.settings.models_dir),
            "ML_PIPELINE_RUNTIME": "process",
        }
        self._panels: list[subprocess.Popen[bytes]] = []

    def start(self, **settings: str) -> subprocess.Popen[bytes]:
        """Return a panel that was started with these settings; it may not answer yet."""
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "app.panel"]
            panel = subprocess.Popen(command, env={**self.env, **settings}, stdout=log, stderr=log)
        self._panels.append(panel)
        return panel

    def start_and_wait(self) -> subprocess.Popen[bytes]:
        """Return a panel whose API answers with a model."""
        panel = self.start()
        self.wait_until_serving()
        return panel

    def stop(self, panel: subprocess.Popen[bytes]) -> None:
        """Stop a panel as before an upgrade: its services stay."""
        panel.send_signal(signal.SIGTERM)
        panel.wait(30)

    def state(self, name: ServiceName) -> dict[str, Any]:
        """Return how the panel shows a service. Raises httpx2.TransportError where none answers."""
        token = (self.settings.state_dir / "cli-token").read_text().strip()
        response = httpx2.get(
            f"{self.settings.panel_url}/api/v1/services", headers={"Authorization": f"Bearer {token}"}
        )
        rows: list[dict[str, Any]] = response.raise_for_status().json()["services"]
        return next(row for row in rows if row["name"] == name)

    def wait_until_running(self, name: ServiceName, *, n_restarts: int = 0) -> int:
        """Return the process of a service once a panel shows it as running, after that many restarts."""

        def is_running() -> bool:
            row = self.state(name)
            return (row["state"], row["n_restarts"]) == ("running", n_restarts)

        errors = (httpx2.TransportError, httpx2.HTTPStatusError, OSError)
        try:
            until(is_running, within_s=90, interval_s=0.05, what=f"{name} runs", not_yet=errors)
        except AssertionError as error:
            raise AssertionError(self.log.read_text()) from error
        return self.running()[name]

    def wait_until_serving(self) -> int:
        """Return the process of the API once it answers with a model."""
        api = self.wait_until_running("api")
        url = f"http://127.0.0.1:{self.ports['API_PORT']}/readyz"
        until(lambda: httpx2.get(url).status_code == http.client.OK, within_s=30, what="the API has a model")
        return api

    def running(self) -> dict[ServiceName, int]:
        """Return the processes of the services that run, with a panel or without."""
        records = Records(services_dir(self.settings)).running()
        return {name: int(str(record.leader["pid"])) for name, record in records.items()}

    def of_service(self, name: ServiceName) -> list[int]:
        """Return the processes that were started as this service, noted or not, without what they have started."""
        mark = f"{Records(services_dir(self.settings)).mark()}/{name}"
        pids = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(OWNER_VARIABLE) == mark and process.status() != psutil.STATUS_ZOMBIE:
                    pids.append(process.pid)
        return pids

    def cli(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Return what `ml-pipeline` with these words said."""
        command = [sys.executable, "-m", "app.panel.cli", *words]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=120, check=False)

    def close(self) -> None:
        """End all panels and their services."""
        for panel in self._panels:
            panel.send_signal(signal.SIGCONT)
            panel.kill()
            panel.wait()
        self.cli("down")


@dataclass
class Asker:
    """Asks the API 20 times a second, each time by a new connection; `failures` are all but 200."""

    port: int
    path: str = "/livez"
    n_asked: int = 0
    failures: list[str] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        """Ask until told to stop."""
        while not self._ended.wait(0.05):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            try:
                connection.request("GET", self.path)
                status = connection.getresponse().status
                if status != http.client.OK:
                    self.failures.append(str(status))
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
            finally:
                connection.close()
            self.n_asked += 1

    @contextlib.contextmanager
    def asking(self) -> Iterator["Asker"]:
        """Ask as long as the block runs."""
        thread = threading.Thread(target=self.ask)
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            thread.join()
