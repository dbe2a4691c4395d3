"""The log as people get it: in the page, live, by asking, and as a file; all say the same."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.panel.logs import views
from app.panel.logs.line import LogLine
from app.panel.logs.store import LogStore
from app.panel.logs.views import LogFilter, LogOptions, LogView, build_viewer, log_filter, log_options

pytestmark = pytest.mark.process
AT = datetime(2026, 1, 1, tzinfo=UTC)


def logged(folder: Path, texts: list[str], errors: tuple[int, ...] = ()) -> LogStore:
    """Run r has said these texts, one each 1.5 s."""
    store = LogStore(folder)
    store.append(
        "r",
        [
            (AT + timedelta(seconds=1.5 * i), "deploy", 1, "error" if i + 1 in errors else "info", text)
            for i, text in enumerate(texts)
        ],
    )
    return store


def page(store: LogStore, text: str = "", **more: Any) -> LogView:
    return build_viewer(
        store, "r", LogFilter(text=text), LogOptions(), **{"is_live": False, "has_failed": False, **more}
    )


def seqs(view: LogView) -> list[int]:
    return [line.seq for line in view.lines]


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
    assert log_filter(stage="no_such", attempt="\u00b2", level="loud", q=" ") == LogFilter()
    known = log_filter(stage="deploy", attempt="2", level="error", q="a b")
    assert known.query == "stage=deploy&attempt=2&level=error&q=a+b"


def test_line_passes_when_stage_level_and_text_fit() -> None:
    line = LogLine(seq=1, at="2026-11-22T00:00:00Z", stage="deploy", attempt=1, level="warning", text="Hello World")
    assert LogFilter(stage="deploy", level="warning", text="world").passes(line)
    assert not LogFilter(level="error").passes(line)
    assert not LogFilter(stage="set_seed").passes(line)
    assert not LogFilter(text="nowhere").passes(line)
    assert not LogFilter(attempt=2).passes(line)


def test_text_is_found_whatever_the_case_when_a_letter_has_two_forms(tmp_path: Path) -> None:
    store = logged(tmp_path, ["Hauptstra\u00dfe", "other"])
    selection = LogFilter(text="STRASSE")
    assert [match.seq for match in store.read("r", selection=selection)] == [1]
    assert selection.passes(store.read("r")[0])  # the stream asks line by line


@pytest.mark.parametrize("path", ["/runs/1/log/stream", "/api/v1/runs/1/log/stream"])
def test_follower_is_told_to_come_back_when_there_are_too_many(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr("app.panel.logs.followers.MAX_FOLLOWERS", 0)
    answer = client.get(path, headers={"Accept": "text/event-stream"})
    assert (answer.status_code, answer.json()["id"]) == (503, "WEB-07")
    assert int(answer.headers["retry-after"]) > 0
    assert client.get("/runs/1/log/lines").status_code == 200


@pytest.fixture
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "PAGE_LINES", 10)
    monkeypatch.setattr(views, "LINES_BEFORE", 2)
    monkeypatch.setattr(views, "MAX_PAGE_LINES", 40)


@pytest.mark.usefixtures("short_pages")
def test_part_around_a_line_is_shown_when_the_log_is_long(tmp_path: Path) -> None:
    store = logged(tmp_path, ["x"] * 50)
    tail = page(store, is_live=True)
    assert (seqs(tail), tail.n_before, tail.n_after, tail.is_live) == (list(range(41, 51)), 40, 0, True)
    part = page(store, at=20, is_live=True)
    assert (seqs(part), part.n_before, part.n_after, part.is_live) == (list(range(18, 28)), 17, 23, False)
    assert (seqs(page(store, at=part.before_at))[0], seqs(page(store, at=part.after_at))[0]) == (9, 26)
    assert seqs(page(store, at=1)) == list(range(1, 11))
    assert seqs(page(store, at=10**9)) == seqs(tail)
    assert seqs(page(store, show_all=True)) == seqs(tail)  # more than a page takes
    assert seqs(page(logged(tmp_path / "short", ["x"] * 30), show_all=True)) == list(range(1, 31))


@pytest.mark.usefixtures("short_pages")
def test_filtered_page_is_cut_and_says_so_when_too_many_lines_pass(tmp_path: Path) -> None:
    view = page(logged(tmp_path, ["x"] * 50), "x", is_live=True)
    assert (len(view.lines), view.n_after, view.is_live) == (40, 10, False)


@pytest.mark.usefixtures("short_pages")
def test_failed_run_opens_at_its_first_error_when_that_is_far_up(tmp_path: Path) -> None:
    store = logged(tmp_path, ["x"] * 50, errors=(5, 49))
    failed = page(store, has_failed=True)
    assert (failed.opens_at, 5 in seqs(failed), failed.first_error) == (5, True, "#L5")
    other = page(store)
    assert (other.opens_at, 5 in seqs(other), other.first_error) == (None, False, "?at=5#L5")


def test_time_since_the_attempt_began_is_shown_when_lines_come_later(tmp_path: Path) -> None:
    store = logged(tmp_path, ["x"] * 60)
    store.append("r", [(AT + timedelta(hours=1), "deploy", 2, "info", "again")])
    again = LogStore(tmp_path)
    assert [page(again).lines[i].since for i in (0, 1, 59, 60)] == ["+0:00.000", "+0:01.500", "+1:28.500", "+0:00.000"]


def test_options_are_those_of_the_form_else_of_the_browser_when_known() -> None:
    assert log_options("", "", "") == log_options("", "", "junk.wrap") == log_options("junk", "", "off.wrap")
    assert log_options("since", "", "off.wrap") == LogOptions("since", is_wrapped=False)
    assert log_options("", "", LogOptions("off", is_wrapped=False).cookie) == LogOptions("off", is_wrapped=False)
    assert log_options("", "", "since.wrap") == LogOptions("since", is_wrapped=True)


def test_options_persist_without_script_when_the_form_was_sent(client: TestClient) -> None:
    try:
        assert 'data-times="clock" data-wrap="wrap"' in client.get("/runs/1").text
        assert 'data-times="since" data-wrap="nowrap"' in client.get("/runs/1?times=since").text
        assert 'data-times="since" data-wrap="nowrap"' in client.get("/runs/1").text
    finally:
        client.cookies.delete("log_view")
