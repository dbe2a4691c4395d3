"""The watch over a model that has just gone live, against APIs that strangers use and abuse."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.panel.clock import SystemClock
from app.panel.registry import monitor
from app.panel.registry.monitor import DeploymentMonitor
from app.panel.registry.tables import Deployment
from app.panel.services.prediction_client import PredictionClient
from bench.bundles import Built, make_bundle, records
from bench.wait import until
from pipeline.core.pointer import read_pointer, write_pointer
from tests.app.panel.registry.conftest import RegistryHarness
from tests.app.prediction.conftest import Api, publish_odd, running
from tests.app.prediction.odd_graphs import failing_above, slow

KEY = "s3cret"
SLOW_METRICS = """api_requests_total{route="/predict",status="200"} %d.0
api_request_seconds_bucket{le="0.001",route="/predict"} %d.0
api_request_seconds_bucket{le="2.5",route="/predict"} %d.0
api_request_seconds_bucket{le="+Inf",route="/predict"} %d.0
api_rows_total 60.0
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "CHECK_INTERVAL_S", 0.05)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RegistryHarness]:
    harness = RegistryHarness(tmp_path, watch_s=2.0)
    yield harness
    harness.close()


def until_it_ends() -> None:
    names = {"deployment-monitor"}
    until(lambda: not [each for each in threading.enumerate() if each.name in names], what="the monitor ends")


def go_back(registry: RegistryHarness) -> str:
    """Return why version 2 was rolled back."""
    until(lambda: registry.history()[1] == ("deploy", 1, 2, "undone"), what="the deployment is undone")
    assert registry.live == 1
    return registry.queries.deployments()[0].reason


def test_a_model_stays_when_anonymous_batches_take_seconds(registry: RegistryHarness) -> None:
    registry.api.metrics = SLOW_METRICS % (60, 60, 60, 60)
    registry.deploy(1)
    registry.deploy(2)
    registry.api.metrics = SLOW_METRICS % (111, 60, 111, 111)
    until_it_ends()
    assert registry.live == 2


def test_a_model_stays_when_strangers_find_input_that_fails(registry: RegistryHarness) -> None:
    registry.deploy(1)
    registry.deploy(2)
    registry.api.metrics = "api_prediction_errors_total 5000.0\napi_rows_total 1.0\n"
    until_it_ends()
    assert registry.live == 2


def test_it_goes_back_when_those_with_the_key_meet_errors(tmp_path: Path) -> None:
    registry = RegistryHarness(tmp_path, watch_s=30.0, api_key=KEY)
    registry.deploy(1)
    registry.deploy(2)
    registry.api.metrics = "api_prediction_errors_total 5.0\napi_rows_total 1.0\n"
    assert "5 requests since it went live ended in a server error" in go_back(registry)
    registry.close()


def test_a_model_stays_when_a_flood_keeps_the_api_from_answering(
    registry: RegistryHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.panel.registry.evidence.UNREADY_LIMIT_S", 0.5)
    registry.deploy(1)
    registry.deploy(2)
    registry.client.timeout_s = 0.1  # not before: a busy machine may take longer to deploy
    registry.api.may_answer.clear()
    until_it_ends()
    registry.api.may_answer.set()
    assert registry.live == 2


def test_it_goes_back_when_nothing_listens_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.panel.registry.evidence.UNREADY_LIMIT_S", 0.5)
    registry = RegistryHarness(tmp_path, watch_s=30.0)
    registry.deploy(1)
    registry.deploy(2)
    registry.api.close()
    until(lambda: registry.history()[-1][0] == "auto_rollback", what="the automatic rollback begins")
    registry.close()


def test_it_goes_back_when_the_model_itself_is_slow(registry: RegistryHarness) -> None:
    registry.api.row_s = {1: 0.001, 2: 0.3}
    registry.deploy(1)
    registry.deploy(2)
    assert "One row takes 300 ms of processor time" in go_back(registry)


def test_it_goes_back_when_the_model_fails_on_the_panels_own_rows(registry: RegistryHarness) -> None:
    registry.deploy(1)
    registry.deploy(2)
    registry.api.failing = {2}
    assert "the panel's own rows with a server error" in go_back(registry)


# Against the real API.


class Watched:
    """A real API, and a monitor that is told about deployments; `reasons` are those of its rollbacks."""

    def __init__(self, api: Api, key: str = "") -> None:
        self.reasons: list[str] = []
        self.api = api
        self.monitor = DeploymentMonitor(
            models_dir=api.models_dir,
            client=PredictionClient(self, key),
            clock=SystemClock(),
            watch_s=4.0,
            roll_back=lambda _, reason: self.reasons.append(reason),
        )

    def url(self, _: str) -> str:
        return f"http://127.0.0.1:{self.api.port}"

    def switch(self, old: Built, publish: Callable[[], None]) -> None:
        """Put version 2 in the place of `old`, and watch it."""
        self.monitor.measure(old.pointer)
        publish()
        self.api.wait_for(2)
        pointer = read_pointer(self.api.models_dir)
        assert pointer is not None
        row = Deployment(kind="deploy", from_version=1, to_version=2, actor="run", reason="", at=SystemClock().now())
        row.to_bundle = pointer.bundle
        self.monitor.watch(row)


@pytest.mark.process
def test_a_healthy_model_stays_and_counts_no_row_when_it_is_flooded(tmp_path: Path) -> None:
    models = tmp_path / "models"
    old = make_bundle(models, version=1)
    new = make_bundle(models, version=2, seed=1, live=False)
    many = json.dumps(records(new, 500) * 3).encode()
    with running(models) as api:
        api.wait_for(1)
        for _ in range(60):  # what the API was used to
            api.predict({"age": 40})
        watched = Watched(api)
        watched.switch(old, lambda: write_pointer(models, new.pointer))
        ends = threading.Event()

        def flood(body: bytes, kind: str, path: str) -> int:
            n = 0
            while not ends.is_set():
                api.client.post(path, content=body, headers={"Content-Type": kind})
                n += 1
            return n

        with ThreadPoolExecutor(4) as strangers:
            floods = [
                strangers.submit(flood, many, "application/json", "/predict"),
                strangers.submit(flood, many, "application/json", "/predict"),
                strangers.submit(flood, b'{"age": 3.3e38, "x": [NaN', "application/json", "/explain"),
                strangers.submit(flood, b"age\n" + b"4e38\nx\n40\n" * 999, "text/csv", "/predict/csv"),
            ]
            until_it_ends()
            ends.set()
        assert watched.reasons == []
        assert sum(each.result() for each in floods[:2]) >= 51
        n_rows = api.client.get("/stats").json()["n"]
        n_expected = 1500 * sum(each.result() for each in floods[:2]) + 999 * floods[3].result()
        assert n_rows == n_expected  # theirs, and none of the panel's


@pytest.mark.process
def test_a_model_goes_back_when_it_really_takes_long(tmp_path: Path) -> None:
    models = tmp_path / "models"
    old = make_bundle(models, version=1)
    with running(models) as api:
        api.wait_for(1)
        watched = Watched(api)
        watched.switch(old, lambda: publish_odd(models, slow, version=2))
        until_it_ends()
    assert "ms of processor time or more" in watched.reasons[0]


@pytest.mark.process
def test_a_failing_input_sends_a_model_back_when_it_comes_with_the_key_and_not_when_anybody_can_send_it(
    tmp_path: Path,
) -> None:
    for key in ("", KEY):
        models = tmp_path / f"models-{key}"
        old = make_bundle(models, version=1)
        with running(models, **({"API_KEY": key} if key else {})) as api:
            api.wait_for(1)
            watched = Watched(api, key)
            watched.switch(old, lambda models=models: publish_odd(models, failing_above, version=2))  # type: ignore[misc]  # bound at once
            header = {"Authorization": f"Bearer {key}"} if key else {}
            assert [api.predict({"age": 3.3e38}, **header).status_code for _ in range(5)] == [500] * 5
            until_it_ends()
        assert bool(watched.reasons) is bool(key)
