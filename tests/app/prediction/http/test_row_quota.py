"""A quota of rows for each caller, in every protocol; and none where none is set."""

import csv
import io
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from app.prediction.http.request_guard import RequestGuard
from app.prediction.http.row_quota import RowQuota
from app.prediction.problems import RowQuotaError
from app.prediction.settings import ApiSettings
from bench.bundles import make_bundle
from pipeline.core.check_rows import check_rows
from pipeline.core.problems import ProblemError
from tests.app.prediction.conftest import StartApi

pytestmark = pytest.mark.process
INFER = "/v2/models/automated-ml-pipeline/infer"
START = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def spent(quota: RowQuota, caller: str, n_rows: int) -> bool:
    try:
        quota.spend(caller, n_rows)
    except RowQuotaError:
        return False
    return True


def test_each_caller_has_a_quota_that_slides_when_time_goes_by() -> None:
    with time_machine.travel(START, tick=False) as time:
        quota = RowQuota(100)
        assert [spent(quota, "a", n_rows) for n_rows in (60, 41, 40, 1)] == [True, False, True, False]
        assert spent(quota, "b", 100)
        time.shift(timedelta(seconds=61))
        assert not spent(quota, "a", 100)  # most of what was sent lies within the last minute
        time.shift(timedelta(seconds=120))
        assert spent(quota, "a", 100)


def test_the_answer_says_when_it_fits_or_that_it_never_does() -> None:
    quota = RowQuota(100)
    quota.spend("a", 100)
    with pytest.raises(ProblemError, match="API-19") as caught:
        quota.check("a")
    assert isinstance(caught.value, RowQuotaError)
    assert 1 <= caught.value.wait_s <= 61
    assert f"in {caught.value.wait_s} s" in caught.value.fix
    with pytest.raises(ProblemError, match="at most 100 rows at once"):
        quota.spend("b", 101)


def test_a_caller_is_an_address_or_a_key_and_never_what_it_says_it_is() -> None:
    guard = RequestGuard(ApiSettings())
    claimed = {b"x-api-key": b"another", b"x-forwarded-for": b"10.0.0.9"}
    assert guard.caller(claimed, "10.0.0.1") == guard.caller({}, "10.0.0.1") != guard.caller({}, "10.0.0.2")
    assert guard.caller({}, "2001:db8::1") == guard.caller({}, "2001:db8::ffff:1") != guard.caller({}, "2001:db9::1")
    locked = RequestGuard(ApiSettings(api_key="s3cret"))
    key = {b"authorization": b"Bearer s3cret"}
    assert locked.caller(key, "10.0.0.1") == locked.caller(key, "10.0.0.2")
    assert "s3cret" not in locked.caller(key, "10.0.0.1")


def test_rows_are_refused_in_every_protocol_when_the_quota_is_used_up(tmp_path: Path, start_api: StartApi) -> None:
    built = make_bundle(tmp_path / "models")
    record = {"age": 40}
    tensor: dict[str, Any] = {"name": "age", "datatype": "FP32", "shape": [3], "data": [40, 41, 42]}
    with start_api(tmp_path / "models", API_ROWS_PER_MINUTE="20") as api:
        api.wait_for(1)
        table = {"content": "age\n40\n41\n", "headers": {"Content-Type": "text/csv"}}
        requests: list[tuple[str, dict[str, Any]]] = [
            ("/predict", {"json": record}),
            ("/predict", {"json": [record] * 4}),
            ("/invocations", {"json": {"instances": [record] * 3}}),
            (INFER, {"json": {"inputs": [tensor]}}),
            ("/explain", {"json": record}),
            ("/curve", {"json": {"record": record, "feature": "age"}}),
            ("/predict/csv", table),
        ]
        assert [api.client.post(path, **request).status_code for path, request in requests] == [200] * len(requests)
        whole = api.client.post("/predict/csv", content="age\n" + "40\n" * 6, headers={"Content-Type": "text/csv"})
        errors = [row["error"] for row in csv.DictReader(io.StringIO(whole.text))]
        assert len(errors) == 1
        assert errors[0].startswith("API-19")
        assert api.predict([record] * 5).status_code == 200  # 20 rows in all
        for path, request in requests:
            refused = api.client.post(path, **request)
            assert (refused.status_code, refused.json()["id"]) == (429, "API-19"), path
            assert 1 <= int(refused.headers["retry-after"]) <= 61
        assert api.client.get("/stats").json()["n"] == 18  # an explanation predicts nothing
        # The panel checks models however much others send; the same rows as live data are refused.
        rows, aside = check_rows(built.manifest), {"X-Live-Data": "no"}
        assert [api.predict(rows, **aside).status_code for _ in range(3)] == [200] * 3
        assert api.predict(rows[0], **aside).status_code == 200
        assert api.predict(rows[0]).status_code == 429
        assert api.predict(record, **aside).status_code == 429
        assert api.predict(rows * 3, **aside).status_code == 429


def test_nothing_of_it_is_loaded_when_there_is_no_quota() -> None:
    code = "import sys, app.prediction.main as m; from app.prediction.settings import ApiSettings as S; m.create_app(S()); print('limits' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
