"""Raw tables over HTTP, as a page and as JSON."""

import pytest
from starlette.testclient import TestClient

pytestmark = pytest.mark.process


def test_table_comes_and_goes_when_sent_as_json_api(client: TestClient) -> None:
    sent = client.post("/api/v1/datasets", files={"file": ("more.csv", b"x,y\n1,2\n")})
    assert (sent.status_code, sent.json()["name"], sent.json()["n_bytes"]) == (201, "more.csv", 8)
    assert [table["name"] for table in client.get("/api/v1/datasets").json()] == ["data.csv", "more.csv"]
    again = client.post("/api/v1/datasets", files={"file": ("more.csv", b"x\n")})
    assert (again.status_code, again.json()["id"]) == (409, "FILE-03")
    assert client.delete("/api/v1/datasets/more.csv").status_code == 204
    assert client.delete("/api/v1/datasets/more.csv").status_code == 404


def test_table_comes_and_goes_when_the_page_s_forms_are_sent(client: TestClient) -> None:
    assert client.post("/data", files={"file": ("a b.csv", b"x,y\n1,2\n")}).headers["location"] == "/data"
    page = client.get("/data").text
    assert "a b.csv" in page
    assert 'action="/data/a%20b.csv/remove"' in page
    assert client.post("/data/a%20b.csv/remove").status_code == 303
    assert "a b.csv" not in client.get("/data").text


def test_page_says_why_when_an_upload_is_refused(client: TestClient) -> None:
    answer = client.post("/data", files={"file": ("../../etc/x.csv", b"x")})
    assert answer.status_code == 422
    assert "FILE-01" in answer.text
