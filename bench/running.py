"""A real panel on free ports in a temporary folder, for the sections that measure it from outside."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psutil

from bench.ports import free_ports
from bench.wait import until

TOKEN = "bench-token-of-at-least-32-characters"


@dataclass(frozen=True)
class RunningPanel:
    """A started panel. `first_page_s`: from exec to the first answered page."""

    process: psutil.Popen
    client: httpx2.Client
    folder: Path
    ports: dict[str, int]
    first_page_s: float

    def run(self, **body: Any) -> dict[str, Any]:
        """Start a run and return it once it has ended."""
        started = self.client.post("/api/v1/runs", json=body).raise_for_status().json()
        return self.wait(started["id"])

    def wait(self, run_id: str) -> dict[str, Any]:
        """Return the run once it has ended."""

        def look() -> dict[str, Any] | None:
            run: dict[str, Any] = self.client.get(f"/api/v1/runs/{run_id}").raise_for_status().json()
            return None if run["finished_at"] is None else run

        return until(look, within_s=900, interval_s=0.01, what="the run ends")

    def wait_for_services(self) -> None:
        """Return when MLflow, API and app all respond."""

        def look() -> bool:
            return bool(self.client.get("/api/v1/services").raise_for_status().json()["is_healthy"])

        until(look, within_s=90, interval_s=0.05, what="all services respond")


@contextlib.contextmanager
def panel(folder: Path, *, module: str = "app.panel", **settings: str) -> Iterator[RunningPanel]:
    """Start a panel in `folder`, and stop it with all its services at the end."""
    names = ("PANEL_PORT", "API_PORT", "APP_PORT", "MLFLOW_PORT")
    ports = dict(zip(names, free_ports(4), strict=True))
    env = {
        **os.environ,
        **{name: str(port) for name, port in ports.items()},
        "ML_PIPELINE_DATA": str(folder / "data"),
        "ML_PIPELINE_STATE": str(folder / "state"),
        "ML_PIPELINE_MODELS": str(folder / "models"),
        "ML_PIPELINE_RUNTIME": "process",
        "PANEL_API_TOKEN": TOKEN,
        "RUN_STARTS_PER_MINUTE": "10000",
        **settings,
    }
    base = f"http://127.0.0.1:{ports['PANEL_PORT']}"
    start = time.monotonic()
    with (folder / "panel.log").open("wb") as log:
        process = psutil.Popen([sys.executable, "-m", module], env=env, stdout=log, stderr=subprocess.STDOUT)
    client = httpx2.Client(base_url=base, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
    try:
        first_page_s = _first_page(client, process, start, folder)
        yield RunningPanel(process, client, folder, ports, first_page_s)
    finally:
        client.close()
        process.send_signal(signal.SIGINT)  # which ends the services as well
        try:
            process.wait(20)
        except psutil.TimeoutExpired:
            process.kill()
            subprocess.run([sys.executable, "-m", "app.panel.cli", "down"], env=env, check=True)


def _first_page(client: httpx2.Client, process: psutil.Popen, start: float, folder: Path) -> float:
    def look() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"the panel ended: {(folder / 'panel.log').read_text('utf-8')[-400:]}")
        return client.get("/").status_code == 200

    until(look, within_s=60, interval_s=0.005, what="the first page", not_yet=(httpx2.TransportError,))
    return time.monotonic() - start


def pss_bytes(process: psutil.Process) -> int:
    """Return the proportional memory of one process."""
    return int(process.memory_full_info().pss)
