"""An API without a key does not answer to a name that a web page may have made point to this machine."""

from pathlib import Path

import pytest

from app.prediction.host_guard import MOST, Hosts
from pipeline.core.problems import ProblemError
from tests.app.prediction.conftest import StartApi
from tests.builders.bundles import make_bundle

# fmt: off
OURS = ["", "127.0.0.1:8000", "localhost:8000", "LOCALHOST", "[::1]:8000", "192.168.1.7:80", "ml-api:8000", "gpu-box",
        "box.lan:8000", "api.models.svc.cluster.local", "host.docker.internal:8000"]
STRANGE = ["evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "lan.evil.example", "a@127.0.0.1",
           "127.0.0.1:8000.evil.example", "evil.example.", "[::1].evil.example", "x" * 300, "\xff", "notlocal.com"]
# fmt: on


@pytest.mark.parametrize("host", OURS)
def test_name_is_answered_when_no_stranger_can_own_it(host: str) -> None:
    for _ in range(2):
        Hosts().check(host.encode())


@pytest.mark.parametrize("host", STRANGE)
def test_name_is_refused_when_a_stranger_may_own_it(host: str) -> None:
    hosts = Hosts("evil.example.org, other.example")
    for _ in range(2):
        with pytest.raises(ProblemError, match="API-17"):
            hosts.check(host.encode("latin-1"))


@pytest.mark.parametrize("allowed", ["evil.example", "other.example, Evil.Example:443", "*"])
def test_name_is_answered_when_it_is_allowed(allowed: str) -> None:
    Hosts(allowed).check(b"evil.example:8000")


def test_memory_stays_bounded_when_names_differ() -> None:
    hosts = Hosts()
    for n in range(2 * MOST):
        hosts.check(b"box-%d" % n)
    assert len(hosts._seen) == MOST


def test_data_and_predictions_are_not_read_by_a_page_that_named_us_after_itself(
    tmp_path: Path, start_api: StartApi
) -> None:
    make_bundle(tmp_path / "models")
    strange = {"Host": f"evil.example:{8000}"}
    with start_api(tmp_path / "models") as api:
        api.wait_for(1)
        for answer in (
            api.client.get("/model", headers=strange),
            api.client.get("/stats", headers=strange),
            api.client.post("/predict", json={}, headers=strange),
            api.client.post("/explain", json={}, headers=strange),
        ):
            assert (answer.status_code, answer.json()["id"]) == (421, "API-17")
        assert api.client.get("/readyz", headers=strange).status_code == 200
        assert api.predict({}).status_code == 200
    with start_api(tmp_path / "models", API_KEY="s3cret") as api:
        api.wait_for(1)
        assert api.predict({}, Authorization="Bearer s3cret", **strange).status_code == 200
