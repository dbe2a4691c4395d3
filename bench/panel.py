"""Cost of the panel itself: start, idle, and a run of stages that do nothing."""

import tempfile
import time
from datetime import datetime
from pathlib import Path

from bench.rows import Row, row
from bench.running import RunningPanel, panel, pss_bytes

TITLE = "The panel"
STARTS = 5
RUNS = 15
IDLE_S = 15.0


def measure() -> list[Row]:
    """Start, memory and processor while idle, empty stages, first log line."""
    firsts: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _ in range(STARTS):
            with panel(folder, CYCLE_INTERVAL_S="86400") as running:
                firsts.append(running.first_page_s)
        with panel(folder, CYCLE_INTERVAL_S="86400") as running:
            running.wait_for_services()
            time.sleep(IDLE_S)
            busy_s = sum(running.process.cpu_times()[:2])
            time.sleep(IDLE_S)
            busy_s = sum(running.process.cpu_times()[:2]) - busy_s
            memory_mb = pss_bytes(running.process) / 2**20
    with tempfile.TemporaryDirectory() as name, panel(Path(name), module="bench.empty_panel") as running:
        running.run()
        empty = [_took_s(running.run()) for _ in range(RUNS)]
        lines = [_first_line_s(running) for _ in range(RUNS)]
    return [
        row("start to first page", firsts, "s", below=1.5),
        row("panel process while idle (PSS), services up", [memory_mb], "MB", below=120),
        row("processor while idle", [100 * busy_s / IDLE_S], "% of a core", below=1),
        row("four empty stages, click to finished", empty, "s", below=0.3),
        row("click to first log line at the client", [1000 * value for value in lines], "ms", below=300),
    ]


def _took_s(run: dict[str, str]) -> float:
    return (datetime.fromisoformat(run["finished_at"]) - datetime.fromisoformat(run["created_at"])).total_seconds()


def _first_line_s(running: RunningPanel) -> float:
    start = time.monotonic()
    run = running.client.post("/api/v1/runs", json={}).raise_for_status().json()
    with running.client.stream("GET", f"/api/v1/runs/{run['id']}/log/stream") as stream:
        for line in stream.iter_lines():
            if line.startswith("data:") and '"seq"' in line:
                break
        took_s = time.monotonic() - start
    running.wait(run["id"])
    return took_s
