"""What the panel's own requests come to, with the real prediction API and with the one that tests use in its place."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.panel.services.prediction_client import NoResponseError, PredictionClient
from bench.bundles import make_bundle
from bench.wait import until
from pipeline.core.bundle import bundle_dir, read_manifest
from pipeline.core.check_rows import check_rows
from pipeline.core.manifest import Manifest
from pipeline.core.pointer import read_pointer
from tests.app.prediction.conftest import publish_odd, running
from tests.app.prediction.odd_graphs import failing_above
from tests.fakes.api import FakeApi

pytestmark = pytest.mark.process
INFER = "/v2/models/automated-ml-pipeline/infer"


class Subject:
    """An API with a live model, as the panel calls it; `fail` makes the request fail that `failing_row` is in."""

    def __init__(self, url: str, manifest: Manifest, failing_row: dict[str, float], fail: Callable[[], None]) -> None:
        self._url = url
        self.manifest = manifest
        self.failing_row = failing_row
        self.fail = fail
        self.client = PredictionClient(self)

    def url(self, _: str) -> str:
        return self._url


@pytest.fixture(params=["real", "fake"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    models = tmp_path / "models"
    if request.param == "fake":
        manifest = make_bundle(models, version=1).manifest
        api = FakeApi(models)
        api.get("/readyz")
        yield Subject(api.url("api"), manifest, {}, lambda: api.failing.add(1))
        api.close()
        return
    publish_odd(models, failing_above)
    pointer = read_pointer(models)
    assert pointer is not None
    with running(models) as real:
        real.wait_for(1)
        manifest = read_manifest(bundle_dir(models, pointer))
        yield Subject(f"http://127.0.0.1:{real.port}", manifest, {"age": 3.3e38}, lambda: None)


def test_a_row_is_timed_and_other_rows_are_answered_when_the_panel_asks(subject: Subject) -> None:
    prediction, row_s = subject.client.timed(subject.manifest.golden[0].record, 5.0)
    assert prediction.model_version == 1
    assert row_s is not None
    assert 0 < row_s < 5
    rows = check_rows(subject.manifest)
    assert len(subject.client.predict(rows)) == len(rows) >= 3
    assert subject.client.readiness().ready


def test_a_server_error_is_told_apart_from_no_answer_when_a_row_fails(subject: Subject) -> None:
    subject.fail()
    for call in (
        lambda: subject.client.timed(subject.failing_row, 5.0),
        lambda: subject.client.predict([subject.failing_row]),
    ):
        with pytest.raises(NoResponseError) as caught:
            call()
        assert (caught.value.status, caught.value.is_unreachable) == (500, False)


def test_nothing_counts_as_live_data_when_the_panel_asks(tmp_path: Path) -> None:
    models = tmp_path / "models"
    built = make_bundle(models, version=1)
    with running(models) as api:
        api.wait_for(1)
        client = PredictionClient(Subject(f"http://127.0.0.1:{api.port}", built.manifest, {}, lambda: None))
        client.predict(check_rows(built.manifest) * 400)  # more than is answered at once
        client.timed(built.manifest.golden[0].record, 5.0)
        assert until(client.stats, what="/stats").n == 0
        assert "api_rows_total 0.0" in client.metrics()
        aside = {"X-Live-Data": "no"}
        tensor = {"name": "age", "datatype": "FP32", "shape": [1], "data": [40]}
        for path, body in (("/invocations", {"instances": [{"age": 40}]}), (INFER, {"inputs": [tensor]})):
            assert api.client.post(path, json=body, headers=aside).status_code == 200
        table = {"content": "age\n40\n", "headers": {"Content-Type": "text/csv", **aside}}
        assert api.client.post("/predict/csv", **table).status_code == 200  # type: ignore[arg-type]  # of two kinds
        assert client.stats().n == 0
        response = api.predict({"age": 40}, **{"X-Live-Data": "yes"})
        assert "server-timing" not in response.headers
        assert client.stats().n == 1
