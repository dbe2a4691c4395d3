"""Real prediction APIs: processes of their own on free ports."""

import contextlib
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bench.bundles import Built, make_bundle, publish_bundle
from bench.ports import free_port
from bench.wait import until
from pipeline.core.manifest import digest_of
from pipeline.core.params import Task

TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")


@dataclass(frozen=True)
class Api:
    """A running prediction API and the models folder that it looks at."""

    process: subprocess.Popen[bytes]
    port: int
    models_dir: Path
    client: httpx2.Client

    def predict(self, body: object, **headers: str) -> httpx2.Response:
        """POST /predict."""
        return self.client.post("/predict", json=body, headers=headers)

    def wait_for(self, version: int, timeout_s: float = 20) -> None:
        """Return when `version` answers."""
        self.wait_until(lambda ready: ready["version"] == version, timeout_s)

    def wait_until(self, holds: Callable[[dict[str, Any]], bool], timeout_s: float = 20) -> dict[str, Any]:
        """Return what `/readyz` answers as soon as `holds` is true of it."""

        def look() -> dict[str, Any]:
            ready: dict[str, Any] = self.client.get("/readyz").json()
            assert holds(ready), ready
            return ready

        return until(look, within_s=timeout_s, interval_s=0.01, what="/readyz", not_yet=(AssertionError,))


StartApi = Callable[..., contextlib.AbstractContextManager[Api]]


def wait_until_live(client: httpx2.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the server says that it is alive; fail with its log when it ends before."""

    def is_live() -> bool:
        assert process.poll() is None, log.read_text("utf-8")
        return client.get("/livez").status_code == 200

    until(is_live, within_s=30, interval_s=0.01, what="/livez answers", not_yet=(httpx2.TransportError,))


@contextlib.contextmanager
def running(models_dir: Path, **env: str) -> Iterator[Api]:
    """Yield an API on a free port, alive; it is terminated at the end."""
    port = free_port()
    settings = {"ML_PIPELINE_MODELS": str(models_dir), "API_PORT": str(port), **env}
    log_path = models_dir.parent / f"api-{port}.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.prediction"], env={**os.environ, **settings}, stdout=log, stderr=log
        )
    client = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False)
    try:
        wait_until_live(client, process, log_path)
        yield Api(process, port, models_dir, client)
    finally:
        client.close()
        process.terminate()
        process.wait(20)


@pytest.fixture
def start_api() -> StartApi:
    """Starts an API over a models folder, with more settings by name."""
    return running


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Task, tuple[Api, Built]]]:
    """Yield an API with a model for each task; only for tests that change neither."""
    with contextlib.ExitStack() as stack:
        apis: dict[Task, tuple[Api, Built]] = {}
        for task in TASKS:
            folder = tmp_path_factory.mktemp(task) / "models"
            built = make_bundle(folder, task=task, version=7)
            apis[task] = (stack.enter_context(running(folder)), built)
        for api, _ in apis.values():
            api.wait_for(7)
        yield apis


def publish_odd(models_dir: Path, odd: Callable[[bytes, float], bytes], **options: Any) -> None:
    """Publish and make live a regression whose graph `odd` spoils for huge answers: to `{"age": 3.3e38}`, say."""
    built = make_bundle(models_dir, task="regression", linear=True, categorical=False, boolean=False, **options)
    model = odd(built.model, 1e30)
    changed = {"run_id": "odd", "model_sha256": hashlib.sha256(model).hexdigest(), "model_bytes": len(model)}
    manifest = built.manifest.model_copy(update=changed)
    publish_bundle(models_dir, manifest.model_copy(update={"digest": digest_of(manifest)}), model)
