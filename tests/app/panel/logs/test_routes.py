"""The log as people get it: in the page, live, by asking, and as a file; all say the same."""

import json
import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.panel.logs.line import LogLine
from app.panel.logs.views import LogFilter, log_filter


def _stored(client: TestClient) -> list[dict[str, Any]]:
    return [json.loads(line) for line in client.get("/api/v1/runs/1/log?after=0").text.splitlines()]


def _numbers(html: str) -> list[int]:
    return [int(seq) for seq in re.findall(r'id="L(\d+)"', html)]


def test_page_stream_and_poll_show_the_same_lines_when_read_from_the_start(client: TestClient) -> None:
    numbers = [line["seq"] for line in _stored(client)]
    assert _numbers(client.get("/runs/1").text) == numbers
    stream = client.get("/runs/1/log/stream")
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert "no-transform" in stream.headers["cache-control"]
    assert _numbers(stream.text) == numbers
    assert re.search(r"event: end\n", stream.text)
    poll = client.get("/runs/1/log/lines")
    assert (_numbers(poll.text), poll.headers["x-log-after"], poll.headers["x-log-end"]) == (
        numbers,
        str(numbers[-1]),
        "1",
    )


@pytest.mark.parametrize("path", ["/runs/1/log/stream?after=3", "/runs/1/log/lines?after=3"])
def test_reader_goes_on_where_it_left_when_it_comes_back(client: TestClient, path: str) -> None:
    assert _numbers(client.get(path).text)[0] == 4
    assert _numbers(client.get(path, headers={"Last-Event-ID": "5"}).text)[0] == 6
    assert _numbers(client.get(path, headers={"Last-Event-ID": "junk"}).text)[0] == 4


def test_filter_narrows_page_stream_and_file_alike_when_given(client: TestClient) -> None:
    query = "stage=deploy&q=DEPLOY"
    expected = [
        line["seq"] for line in _stored(client) if line["stage"] == "deploy" and "deploy" in line["text"].lower()
    ]
    assert 0 < len(expected) < len(_stored(client))
    assert _numbers(client.get(f"/runs/1?{query}").text) == expected
    assert _numbers(client.get(f"/runs/1/log/stream?{query}").text) == expected
    file = client.get(f"/runs/1/log/download?form=ndjson&{query}")
    assert [json.loads(line)["seq"] for line in file.text.splitlines()] == expected
    assert "attachment" in file.headers["content-disposition"]
    assert len(client.get(f"/runs/1/log/download?{query}").text.splitlines()) == len(expected)


def test_nothing_is_there_when_the_run_does_not_exist(client: TestClient) -> None:
    for path in ("/runs/4711/log/stream", "/runs/4711/log/lines", "/runs/..%2f..%2fx/log/download"):
        assert client.get(path).status_code == 404


def test_unknown_value_narrows_nothing_when_it_is_in_an_old_link() -> None:
    assert log_filter(stage="no_such", level="loud", q=" ") == LogFilter()
    assert log_filter(stage="deploy", level="error", q="a b").query == "stage=deploy&level=error&q=a+b"


def test_line_passes_when_stage_level_and_text_fit() -> None:
    line = LogLine(seq=1, at="2026-11-22T00:00:00Z", stage="deploy", attempt=1, level="warning", text="Hello World")
    assert LogFilter(stage="deploy", level="warning", text="world").passes(line)
    assert not LogFilter(level="error").passes(line)
    assert not LogFilter(stage="set_seed").passes(line)
    assert not LogFilter(text="nowhere").passes(line)


@pytest.mark.parametrize("path", ["/runs/1/log/stream", "/api/v1/runs/1/log/stream"])
def test_follower_is_told_to_come_back_when_there_are_too_many(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr("app.panel.logs.hub.MAX_LISTENERS", 0)
    answer = client.get(path, headers={"Accept": "text/event-stream"})
    assert (answer.status_code, answer.json()["id"]) == (503, "WEB-07")
    assert int(answer.headers["retry-after"]) > 0
    assert client.get("/runs/1/log/lines").status_code == 200
