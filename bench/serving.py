"""One row over HTTP against the peers, large batches, start, memory, and swaps under load."""

import contextlib
import json
import os
import pickle
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pandas as pd
import psutil
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bench.bundles import Built, make_bundle
from bench.ports import free_ports
from bench.rows import Row, row
from bench.serving_load import Load, hammer
from bench.wait import until
from pipeline.core.pointer import write_pointer

TITLE = "Serving, one worker, 10 numeric features, gradient boosting with 100 trees"
NAMES = tuple(f"feature_{i}" for i in range(10))
ROUNDS, SECONDS, CONNECTIONS = 5, 2.0, (1, 32)
SWAPS, BATCH_ROWS = 100, 100_000


@dataclass
class Server:
    """A started server and what was measured: by connections, lists of requests/s and of p50 and p99 in ms."""

    name: str
    url: str
    process: psutil.Popen
    ready_s: float
    body: bytes
    rates: dict[int, list[float]] = field(default_factory=dict)
    p50_ms: dict[int, list[float]] = field(default_factory=dict)
    p99_ms: dict[int, list[float]] = field(default_factory=dict)

    def rate(self, connections: int) -> float:
        """Return the median requests/s."""
        return statistics.median(self.rates[connections])

    def rss_bytes(self) -> int:
        """Return the resident memory of the process and its children."""
        return sum(each.memory_info().rss for each in [self.process, *self.process.children(recursive=True)])


def measure() -> list[Row]:
    """Measure all rows of this section; takes about five minutes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        built = _prepare(folder)
        rows = _one_row(folder, built)
        rows += _batches(folder, built)
        rows += _swaps(folder)
    return rows


def _bundle(models: Path, version: int, live: bool = True) -> Built:
    return make_bundle(
        models, version=version, seed=version % 2, names=NAMES, n_numeric=10, categorical=False, boolean=False, n_trees=100, live=live
    )  # fmt: skip


def _prepare(folder: Path) -> Built:
    built = _bundle(folder / "models", 1)
    (folder / "names.json").write_text(json.dumps(NAMES), "utf-8")
    frame = pd.DataFrame(built.rows.numeric, columns=list(NAMES))
    y = (built.expected[:, 1] > 0.5).astype(int)
    steps = {"imputer": SimpleImputer(strategy="median"), "scaler": StandardScaler()}
    steps["model"] = GradientBoostingClassifier(n_estimators=100, max_depth=4)
    pipeline = make_pipeline(*steps.values()).fit(frame, y)
    for name, step in steps.items():
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(step))
    with contextlib.suppress(ImportError):
        import mlflow.sklearn

        mlflow.sklearn.save_model(pipeline, folder / "mlflow", serialization_format="cloudpickle", pip_requirements=[])
    return built


@contextlib.contextmanager
def _server(name: str, argv: list[str], port: int, path: str, body: bytes, **env: str) -> Iterator[Server]:
    url = f"http://127.0.0.1:{port}{path}"
    start = time.monotonic()
    # mlflow looks for uvicorn on the path
    path_env = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    process = psutil.Popen(
        [sys.executable, *argv],
        env={**os.environ, "PATH": path_env, **env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx2.Client(trust_env=False, timeout=10) as client:

            def look() -> bool:
                if process.poll() is not None:
                    raise RuntimeError(f"{name} did not start")
                response = client.post(url, content=body, headers={"Content-Type": "application/json"})
                return response.status_code == 200

            until(look, within_s=90, interval_s=0.005, what=f"{name} answers", not_yet=(httpx2.TransportError,))
        yield Server(name, url, process, time.monotonic() - start, body)
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            for each in [*process.children(recursive=True), process]:
                each.terminate()
        process.wait(20)


def _api(folder: Path, port: int, body: bytes) -> contextlib.AbstractContextManager[Server]:
    env = {"ML_PIPELINE_MODELS": str(folder / "models"), "API_PORT": str(port)}
    return _server("this API", ["-m", "app.prediction"], port, "/predict", body, **env)


def _one_row(folder: Path, built: Built) -> list[Row]:
    record = dict(zip(NAMES, [round(float(value), 2) for value in np.nan_to_num(built.rows.numeric[0])], strict=True))
    plain = json.dumps(record).encode()
    split = json.dumps({"dataframe_split": {"columns": list(record), "data": [list(record.values())]}}).encode()
    ports = free_ports(6)
    with contextlib.ExitStack() as stack:
        servers = {"api": stack.enter_context(_api(folder, ports[0], plain))}
        for port, kind in zip(ports[1:], ("bare", "starlette", "fastapi", "reference"), strict=False):
            argv = ["-m", "bench.serving_peers", kind, str(port), str(folder)]
            servers[kind] = stack.enter_context(_server(kind, argv, port, "/predict", plain))
        if (folder / "mlflow").exists():
            argv = [
                "-m",
                "mlflow",
                "models",
                "serve",
                "-m",
                str(folder / "mlflow"),
                "-p",
                str(ports[5]),
                "--env-manager",
                "local",
            ]
            servers["mlflow"] = stack.enter_context(_server("mlflow", argv, ports[5], "/invocations", split))
        for _ in range(ROUNDS):
            for connections in CONNECTIONS:
                for server in servers.values():
                    _load(server, connections)
        return _report(servers)


def _load(server: Server, connections: int) -> None:
    rate, p50_ms, p99_ms = (
        _wrk(server, connections) if shutil.which("wrk") else hammer(server.url, server.body, connections, SECONDS)
    )
    server.rates.setdefault(connections, []).append(rate)
    server.p50_ms.setdefault(connections, []).append(p50_ms)
    server.p99_ms.setdefault(connections, []).append(p99_ms)


def _wrk(server: Server, connections: int) -> tuple[float, float, float]:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(
            f'wrk.method="POST"\nwrk.headers["Content-Type"]="application/json"\nwrk.body=[==[{server.body.decode()}]==]\n'
        )
        script.flush()
        argv = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS:g}s", "--latency", "-s", script.name, server.url]
        out = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        raise RuntimeError(f"{server.name}: {out}")
    units = {"us": 0.001, "ms": 1.0, "s": 1000.0}
    times = {
        share: float(value) * units[unit] for share, value, unit in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)", out)
    }
    return float(re.findall(r"Requests/sec:\s+([\d.]+)", out)[0]), times["50"], times["99"]


def _report(servers: dict[str, Server]) -> list[Row]:
    api, bare = servers["api"], servers["bare"]
    rows = [row("start to first answer", [api.ready_s], "s", below=1.0)]
    for name, server in servers.items():
        for connections in CONNECTIONS:
            p50 = statistics.median(server.p50_ms[connections])
            p99 = statistics.median(server.p99_ms[connections])
            what = f"{name}, {connections} connection{'s' * (connections > 1)}"
            rows.append(row(what, server.rates[connections], "req/s", note=f"p50 {p50:.3g} ms, p99 {p99:.3g} ms"))
    for connections, share in ((1, 0.6), (32, 0.4)):
        ratios = [a / b for a, b in zip(api.rates[connections], bare.rates[connections], strict=True)]
        rows.append(row(f"of the bare server's rate, {connections} connections", ratios, "", above=share))
    rows.append(
        row(
            "p99 at 1 connection",
            api.p99_ms[1],
            "ms",
            below=2.0,
            note=f"bare {statistics.median(bare.p99_ms[1]):.3g} ms",
        )
    )
    for name, times in (("mlflow", 40.0), ("reference", 12.0)):
        if name in servers:
            rows.append(
                row(
                    f"times the rate of {name}, 32 connections",
                    [api.rate(32) / servers[name].rate(32)],
                    "x",
                    above=times,
                )
            )
    rows.append(row("memory after the load (RSS)", [api.rss_bytes() / 2**20], "MB", below=100))
    return rows


def _batches(folder: Path, built: Built) -> list[Row]:
    """100,000 rows: scikit-learn in process, and whole calls over HTTP."""
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(BATCH_ROWS, 10)) * 20 + 45).astype(np.float32)
    records = [dict(zip(NAMES, values, strict=True)) for values in X.round(3).tolist()]
    as_json = json.dumps(records).encode()
    head = {
        "inputs": [
            {
                "name": "numeric",
                "datatype": "FP32",
                "shape": [BATCH_ROWS, 10],
                "parameters": {"binary_data_size": X.nbytes},
            }
        ],
        "outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}],
    }
    header = json.dumps(head).encode()
    binary = header + X.tobytes()
    (port,) = free_ports(1)
    times: dict[str, list[float]] = {
        "scikit-learn predict_proba, in process": [],
        "POST /predict, JSON": [],
        "v2 infer, binary tensor": [],
    }
    with (
        _api(folder, port, json.dumps(records[0]).encode()) as api,
        httpx2.Client(trust_env=False, timeout=60) as client,
    ):
        base = api.url.removesuffix("/predict")
        for _ in range(ROUNDS):
            times["scikit-learn predict_proba, in process"].append(_timed(lambda: built.fitted.model.predict_proba(X)))
            times["POST /predict, JSON"].append(
                _timed(lambda: _post(client, f"{base}/predict", as_json, {"Content-Type": "application/json"}))
            )
            times["v2 infer, binary tensor"].append(
                _timed(
                    lambda: _post(
                        client,
                        f"{base}/v2/models/automated-ml-pipeline/infer",
                        binary,
                        {"Inference-Header-Content-Length": str(len(header))},
                    )
                )
            )
    sklearn_s = statistics.median(times["scikit-learn predict_proba, in process"])
    return [
        row(
            f"100,000 rows: {what}",
            values,
            "s",
            below=None if "scikit" in what or "JSON" in what else sklearn_s * 1.0001,
        )
        for what, values in times.items()
    ]


def _timed(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _post(client: httpx2.Client, url: str, body: bytes, headers: dict[str, str]) -> None:
    client.post(url, content=body, headers=headers).raise_for_status()


def _swaps(folder: Path) -> list[Row]:
    """Constant load while the model is swapped again and again; each answer must be whole and of one version."""
    models = folder / "models"
    pointers = [_bundle(models, 2 + i, live=False).pointer for i in range(SWAPS)]
    rows = json.dumps([dict(zip(NAMES, range(10), strict=True)) for _ in range(8)]).encode()
    (port,) = free_ports(1)
    with _api(folder, port, rows) as api, httpx2.Client(trust_env=False, timeout=30) as client:
        ready = api.url.replace("/predict", "/readyz")
        with Load(api.url, rows, connections=4, rate=200) as without:
            end = time.monotonic() + 20
            while time.monotonic() < end:
                client.get(ready)  # as below
                time.sleep(0.02)
        before = api.rss_bytes()
        with Load(api.url, rows, connections=4, rate=200) as swapping:
            for pointer in pointers:
                write_pointer(models, pointer)

                def is_live(version: int = pointer.version) -> bool:
                    return bool(client.get(ready).json()["version"] == version)

                until(is_live, within_s=60, what=f"version {pointer.version} is live")
        time.sleep(1)
        grown = (api.process.memory_info().rss - before) / before
    quiet, busy = without.seen, swapping.seen
    p99_quiet, p99_busy = (float(np.percentile(each.times_s, 99)) * 1000 for each in (quiet, busy))
    note = f"{len(busy.times_s):,} requests of 8 rows at 200 a second"
    return [
        Row(what=f"{SWAPS} swaps under load: failed", value=str(busy.failed), goal="0", met=busy.failed == 0, note=note),
        Row(what="answers of mixed versions", value=str(busy.mixed), goal="0", met=busy.mixed == 0, note=f"{len(busy.versions)} versions answered"),
        row("p99 while swapping / quiet", [p99_busy / p99_quiet], "x", below=2.0, note=f"{p99_busy:.3g} and {p99_quiet:.3g} ms"),
        row("memory growth over the swaps", [grown * 100], "%", below=10.0),
    ]  # fmt: skip


if __name__ == "__main__":
    for each in measure():
        print(f"{each.what}: {each.value} {each.goal and f'(goal {each.goal})'} {each.note}")
