"""The page and the JSON of live data."""

from starlette.testclient import TestClient


def test_page_says_that_there_is_nothing_when_no_model_is_live(client: TestClient) -> None:
    page = client.get("/drift")
    assert page.status_code == 200
    assert "Nothing to compare yet" in page.text


def test_verdict_is_unknown_when_no_model_is_live(client: TestClient) -> None:
    assert client.get("/api/v1/drift").json()["verdict"] == "unknown"
