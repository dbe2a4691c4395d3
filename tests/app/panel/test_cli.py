"""The panel from a terminal."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from app.panel import cli, client
from app.panel.client import PanelClient
from app.panel.settings import Settings
from pipeline.core.problems import ProblemError
from tests.builders.problems import problem

Handler = Callable[[httpx.Request], httpx.Response]


def panel(folder: Path, handler: Handler) -> PanelClient:
    (folder / "cli-token").write_text("secret\n")
    return PanelClient(Settings(state_dir=folder), httpx.MockTransport(handler))


def log(first: int, last: int) -> str:
    lines = [
        {"seq": seq, "text": f"line {seq}", "level": "info", "stage": "s", "at": ""} for seq in range(first, last + 1)
    ]
    return f"event: log\nid: {last}\ndata: {json.dumps({'lines': lines})}\n\n"


class Cut(httpx.SyncByteStream):
    """A body that breaks off."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __iter__(self) -> Iterator[bytes]:
        yield self._text.encode()
        raise httpx.ReadError("cut")


def test_log_is_whole_when_the_connection_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RECONNECT_S", 0.0)
    cursors: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        cursors.append(request.url.params["after"])
        assert request.headers["authorization"] == "Bearer secret"
        if len(cursors) == 1:
            return httpx.Response(200, stream=Cut(log(1, 3) + log(4, 5) + "event: log\nid: 9\nda"))
        if len(cursors) == 2:
            return httpx.Response(200, text=log(6, 6))
        end = 'event: end\nid: 7\ndata: {"seq": 7, "state": "succeeded"}\n\n'
        return httpx.Response(200, text=': ping\n\nevent: state\ndata: {"state": "running"}\n\n' + log(7, 7) + end)

    with panel(tmp_path, handler) as panel_client:
        items = list(panel_client.follow("r"))
    assert [item["seq"] for item in items] == [1, 2, 3, 4, 5, 6, 7, 7]
    assert items[-1]["state"] == "succeeded"
    assert cursors == ["0", "5", "6"]


def test_problem_arrives_whole_when_the_panel_answers_with_one(tmp_path: Path) -> None:
    active = problem("RUN-01", "Run 3 is running.", fix="Wait.", command="ml-pipeline logs -f 3")

    def handler(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(409, json=active.as_dict())

    with panel(tmp_path, handler) as panel_client, pytest.raises(ProblemError) as caught:
        panel_client.post("/api/v1/runs", {})
    assert caught.value.as_dict() == active.as_dict()


def test_something_else_is_named_when_it_answers(tmp_path: Path) -> None:
    with panel(tmp_path, lambda _request: httpx.Response(404, text="<html>")) as panel_client:
        with pytest.raises(ProblemError) as caught:
            panel_client.get("/api/v1/runs")
        assert caught.value.id == "PANEL-08"
        with pytest.raises(ProblemError) as caught:
            list(panel_client.follow("r"))
    assert caught.value.id == "PANEL-08"


@pytest.mark.parametrize("text", ["<html>", "[1]", "event: log\ndata: {broken\n\n"])
def test_something_else_is_named_when_it_answers_with_success(tmp_path: Path, text: str) -> None:
    with panel(tmp_path, lambda _request: httpx.Response(200, text=text)) as panel_client:
        for call in (lambda: panel_client.get("/api/v1/runs"), lambda: panel_client.lines("r", 0)):
            with pytest.raises(ProblemError, match="PANEL-08"):
                call()
        if "data" in text:
            with pytest.raises(ProblemError, match="PANEL-08"):
                list(panel_client.follow("r"))


def test_what_to_do_is_said_when_no_panel_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PANEL_PORT", "1")
    monkeypatch.setattr(sys, "argv", ["ml-pipeline", "status"])
    assert cli.main() == 2
    output = capsys.readouterr().err
    assert output.startswith("PANEL-07: The panel does not respond at http://127.0.0.1:1.")
    assert output.endswith("Try: ml-pipeline up\n")


def test_doctor_checks_what_it_can_when_no_panel_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PANEL_PORT", "1")
    monkeypatch.setattr(sys, "argv", ["ml-pipeline", "doctor"])
    assert cli.main() == 1
    output = capsys.readouterr().out
    assert re.search(r"PANEL-\d\d: The panel", output), "a problem has its id, to be looked up"
    assert "Python" in output


def test_parameters_are_nested_and_typed_when_set_on_the_command_line() -> None:
    assignments = ["target=species", "seed=7", "linear.c=0.5", "linear.max_iter=10", 'ignore=["a"]', "a=b=c"]
    assert cli.parse_params(assignments) == {
        "target": "species",
        "seed": 7,
        "linear": {"c": 0.5, "max_iter": 10},
        "ignore": ["a"],
        "a": "b=c",
    }
    assert cli.parse_params([]) is None
    assert cli.parse_params(["a=NaN", f"b={'[' * 100_000}"]) == {"a": "NaN", "b": "[" * 100_000}
    for wrong in (["target"], ["=1"], ["a=1", "a.b=2"], ["a=1", "a.b.c=2"]):
        with pytest.raises(ProblemError, match="RUN-03"):
            cli.parse_params(wrong)


def test_terminal_is_not_steered_when_a_line_tries_to(capsys: pytest.CaptureFixture[str]) -> None:
    cli._print_line(
        {"at": "2026-01-01T00:00:00.000+00:00", "stage": "s", "level": "error", "text": "a\x1b]0;x\x07b\tc"}
    )
    assert capsys.readouterr().out == "00:00:00.000 s            ERROR a\ufffd]0;x\ufffdb\tc\n"


def test_table_shows_texts_as_they_are_when_they_look_like_markup(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    run = {
        "number": 1,
        "state": "failed",
        "trigger": "manual",
        "started_at": None,
        "created_at": "2026-11-23T00:00:00",
        "duration_s": None,
        "reason": "Column [/x] is [bold]bad[/bold]\x1b[2J.",
    }
    service = {"name": "api", "state": "ok", "url": "http://x", "detail": "[/red]"}
    state = {"runs": [run], "services": [service], "paused": False, "due_in_s": None, "interval_s": 6, "live": None}
    with panel(tmp_path, lambda _request: httpx.Response(200, json=state)) as panel_client:
        cli._status(panel_client)
    output = capsys.readouterr().out
    assert "Column [/x] is [bold]bad[/bold]\ufffd[2J." in output
    assert "[/red]" in output


def test_terminal_is_not_steered_when_a_problem_names_something_odd(capsys: pytest.CaptureFixture[str]) -> None:
    cli._print_problem(problem("DATA-01", "Column 'a\x1b[2J' is odd."))
    assert capsys.readouterr().err == "DATA-01: Column 'a\ufffd[2J' is odd.\n"


@pytest.mark.parametrize(("words", "body"), [(["rollback"], {}), (["rollback", "3"], {"to": 3})])
def test_a_rollback_goes_to_the_version_before_unless_another_is_named(
    words: list[str], body: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[object] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return httpx.Response(200, json={"to_version": 3})

    opened = panel(tmp_path, handler)
    monkeypatch.setattr(client, "PanelClient", lambda _settings: opened)
    assert cli._run(cli._parser().parse_args(words)) == 0
    assert sent == [body]
