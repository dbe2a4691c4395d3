"""The home page answers four questions: healthy, running, live, changed."""

from starlette.testclient import TestClient

from app.panel.home.views import Interval, as_interval


def test_home_shows_button_stages_schedule_and_runs_when_nothing_is_running(client: TestClient) -> None:
    page = client.get("/").text
    for text in (">Run pipeline</button>", "Train model", "Last runs", 'href="/runs/1"', "Live model", "Services"):
        assert text in page


def test_schedule_is_changed_when_its_forms_are_sent(client: TestClient) -> None:
    assert client.post("/schedule/pause").headers["location"] == "/"
    assert "The schedule is paused" in client.get("/").text
    client.post("/schedule/resume")
    client.post("/schedule/interval", data={"number": "1.5", "unit": "h"})
    page = client.get("/").text
    assert "every 90 min" in page
    assert "The schedule is paused" not in page


def test_poll_is_slow_when_nothing_moves(client: TestClient) -> None:
    assert 'data-poll-s="10"' in client.get("/", headers={"HX-Request": "true"}).text


def test_interval_is_in_the_largest_whole_unit_when_shown() -> None:
    assert [as_interval(s) for s in (7200, 600, 90)] == [Interval("2", "h"), Interval("10", "min"), Interval("90", "s")]
