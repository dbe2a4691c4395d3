"""Tables are looked at before they are kept, and before a run."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.panel.audit.log import AuditLog
from app.panel.clock import SystemClock
from app.panel.datasets.preview import PreviewLimits, Previews
from app.panel.datasets.problems import PreviewError
from app.panel.datasets.service import Datasets
from app.panel.db.engine import Database
from pipeline.core.params import Params

pytestmark = pytest.mark.process
ROWS = "".join(f"{i * 7 % 31}.5,{'uvw'[i % 3]},{'yes' if i % 2 else 'no'}\n" for i in range(60))
TABLE = f"größe,land,target\n{ROWS}".encode()
FRAGMENT = {"hx-request": "true"}


@pytest.fixture(autouse=True)
def table_as_before(client: TestClient) -> Iterator[None]:
    yield
    answer = client.post("/api/v1/datasets", files={"file": ("data.csv", b"x,y\n1,0\n")}, data={"replace": "true"})
    assert answer.status_code == 201


def upload(client: TestClient, content: bytes, name: str = "new.csv", **fields: str) -> tuple[int, str]:
    response = client.post("/api/v1/datasets", files={"file": (name, content)}, data=fields)
    return response.status_code, str(response.json().get("id", ""))


def names(client: TestClient) -> list[str]:
    return [table["name"] for table in client.get("/api/v1/datasets").json()]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "DATA-03"),
        (b"just one line\nand another\n", "DATA-05"),
        (b"a,b\n1,2\n3\n", "DATA-06"),
        (b"a,b\n", "DATA-02"),
        (b"\x1f\x8bbroken", "DATA-09"),
    ],
)
def test_an_upload_is_refused_and_nothing_moves_when_it_is_no_table(
    client: TestClient, content: bytes, problem: str
) -> None:
    before = names(client)
    assert upload(client, content, replace="true") == (422, problem)
    assert names(client) == before
    page = client.post("/data", files={"file": ("new.csv", content)}, data={"replace": "true"})
    assert page.status_code == 422
    assert problem in page.text
    assert names(client) == before


def test_an_upload_is_refused_when_it_is_another_table_than_those_there(client: TestClient) -> None:
    assert upload(client, TABLE) == (422, "DATA-08")


def test_the_page_shows_the_new_table_when_it_has_replaced_the_old_one(client: TestClient) -> None:
    old = {table["name"]: client.get("/data") for table in client.get("/api/v1/datasets").json()}
    assert old
    assert upload(client, TABLE, replace="true")[0] == 201
    assert 'hx-get="/data/preview"' in client.get("/data").text
    part = client.get("/data/preview", headers=FRAGMENT).text
    assert "größe" in part
    assert "60 rows, 3 columns" in part
    page = client.get("/data").text  # now it is known
    assert 'hx-get="/data/preview"' not in page
    assert "größe" in page


def test_a_run_has_what_was_decided_when_it_is_started_from_the_page(client: TestClient) -> None:
    assert upload(client, TABLE, "other.csv", replace="true")[0] == 201
    form = {"target": "land", "name.0": "größe", "kind.0": "categorical", "name.1": "target", "ignore.1": "on"}
    shown = client.post("/data/preview", data=form)
    assert shown.status_code == 200
    assert "nothing is kept until a run starts" in shown.text
    started = client.post("/data/run", data={**form, "idempotency_key": "k1"}, follow_redirects=False)
    assert started.status_code == 303
    number = started.headers["location"].rsplit("/", 1)[1]
    params = client.get(f"/api/v1/runs/{number}").json()["params"]
    assert params["target"] == "land"
    assert params["columns"]["größe"]["kind"] == "categorical"
    assert params["ignore"] == ["target"]
    client.post(f"/runs/{number}/cancel")


def test_the_form_is_refused_with_the_field_when_a_choice_does_not_exist(client: TestClient) -> None:
    response = client.post("/data/run", data={"name.0": "größe", "kind.0": "colour"})
    assert response.status_code == 422


def test_it_is_said_when_the_process_that_looks_ends_without_an_answer(tmp_path: Path) -> None:
    clock = SystemClock()
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "t.csv").write_bytes(TABLE)
    datasets = Datasets(tmp_path, clock, AuditLog(Database(tmp_path / "panel.db"), clock))
    broken = (sys.executable, "-c", "raise SystemExit(3)")
    previews = Previews(tmp_path, datasets, PreviewLimits(0), next_params=Params, command=broken)
    with pytest.raises(PreviewError) as caught:
        previews.look(Params())
    assert (caught.value.id, "exit code 3" in caught.value.why) == ("FILE-08", True)
    assert list((tmp_path / "processed").iterdir()) == []
