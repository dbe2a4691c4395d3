"""Access in a terminal: what is asked of the panel, and that no password is on a command line."""

import getpass
import io
import json
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from app.panel import cli, cli_access
from app.panel.client import PanelClient
from app.panel.settings import Settings
from pipeline.core.problems import ProblemError

STRONG = "pigeon-lamp-91-violet"


class Panel:
    """Notes what it is asked for, and answers with `answer`."""

    def __init__(self, folder: Path) -> None:
        (folder / "cli-token").write_text("secret\n")
        self.asked: list[tuple[str, str, object]] = []
        self.answer: dict[str, object] = {}
        self.n_refused = 0
        self.tokens: list[str] = []
        self.token_file = folder / "cli-token"
        self.client = PanelClient(Settings(state_dir=folder), httpx.MockTransport(self._handle))

    def _handle(self, request: httpx.Request) -> httpx.Response:
        if self.n_refused:
            self.n_refused -= 1
            raise httpx.ConnectError("refused")
        self.tokens.append(request.headers["Authorization"])
        body = json.loads(request.content) if request.content else None
        target = request.url.raw_path.decode()
        self.asked.append((request.method, target, body))
        return httpx.Response(204) if request.method in {"PUT", "DELETE"} else httpx.Response(200, json=self.answer)

    def run(self, *words: str) -> int:
        return cli_access.run(cli._parser().parse_args(words), self.client)


@pytest.fixture
def panel(tmp_path: Path) -> Iterator[Panel]:
    panel = Panel(tmp_path)
    with panel.client:
        yield panel


def test_panel_is_asked_for_what_the_command_says(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{STRONG}\n{STRONG}\n"))
    panel.answer = {"token": "mlp_x"}
    panel.run("users", "add", "anna", "operator")
    panel.run("users", "add", "vera", "viewer", "--password")
    panel.run("users", "role", "anna", "viewer")
    panel.run("users", "password", "a/../b")
    panel.run("users", "disable", "anna")
    panel.run("users", "enable", "anna")
    panel.run("users", "remove", "anna")
    panel.run("token", "create", "cron", "--scope", "run", "--days", "0")
    panel.run("token", "revoke", "7")
    assert panel.asked == [
        ("POST", "/api/v1/users", {"name": "anna", "role": "operator", "password": None}),
        ("POST", "/api/v1/users", {"name": "vera", "role": "viewer", "password": STRONG}),
        ("PATCH", "/api/v1/users/anna", {"role": "viewer"}),
        ("PUT", "/api/v1/users/a%2F..%2Fb/password", {"password": STRONG}),
        ("PATCH", "/api/v1/users/anna", {"is_disabled": True}),
        ("PATCH", "/api/v1/users/anna", {"is_disabled": False}),
        ("DELETE", "/api/v1/users/anna", None),
        ("POST", "/api/v1/tokens", {"name": "cron", "scope": "run", "days": None}),
        ("DELETE", "/api/v1/tokens/7", None),
    ]


def test_new_token_is_all_that_is_printed_when_its_output_is_read(
    panel: Panel, capsys: pytest.CaptureFixture[str]
) -> None:
    panel.answer = {"token": "mlp_x"}
    assert panel.run("token", "create", "cron") == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("mlp_x\n", "It is not shown again.\n")
    assert panel.asked == [("POST", "/api/v1/tokens", {"name": "cron", "scope": "read", "days": 90})]


def test_link_is_all_that_is_printed_when_the_panel_responds_after_a_while(
    panel: Panel, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_access, "RETRY_S", 0.0)
    panel.token_file.unlink()
    panel.n_refused = 3
    monkeypatch.setattr("app.panel.cli_access.time.sleep", lambda _: panel.token_file.write_text("made at the start\n"))
    panel.answer = {"url": "http://127.0.0.1:8080/login?token=t"}
    assert panel.run("link") == 0
    captured = capsys.readouterr()
    assert captured.out == "http://127.0.0.1:8080/login?token=t\n"
    assert captured.err == f"Waiting for the panel at {panel.client.url}.\n"
    assert panel.tokens == ["Bearer made at the start"]


def test_problem_is_raised_when_no_panel_responds_in_time(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_access, "START_S", 0.0)
    panel.n_refused = 1
    with pytest.raises(ProblemError, match="PANEL-07"):
        panel.run("link")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_password_is_asked_for_twice_when_somebody_sits_there(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([STRONG, STRONG, STRONG, "another"])
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", lambda _: next(answers))
    panel.run("users", "password", "anna")
    with pytest.raises(ProblemError) as caught:
        panel.run("users", "password", "anna")
    assert caught.value.id == "PANEL-11"
    assert panel.asked == [("PUT", "/api/v1/users/anna/password", {"password": STRONG})]


def test_terminal_is_not_steered_when_an_entry_tries_to(
    panel: Panel, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    entry = {
        "at": "2026-11-26T12:00:00+00:00",
        "actor": "",
        "address": "203.0.113.5",
        "action": "session.login",
        "target": "[bold]\x1b[2J",
        "before": {"role": "viewer"},
        "after": {"role": "operator"},
        "outcome": "refused",
        "detail": "",
    }
    panel.answer = {"entries": [entry]}
    assert panel.run("audit", "--limit", "5000", "--actor", "anna") == 0
    output = capsys.readouterr().out
    assert "[bold]\ufffd[2J" in output
    assert "role: viewer → operator" in output
    assert panel.asked[0][1] == "/api/v1/audit?limit=1000&actor=anna&action="


def test_users_and_tokens_are_listed_when_asked_for(
    panel: Panel, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    user = {"name": "anna", "role": "operator", "has_password": True, "is_password_set_by_setting": False}
    panel.answer = {"users": [{**user, "is_disabled": False, "last_login_at": None}]}
    panel.run("users", "list")
    times = {"created_at": "2026-11-26T12:00:00+00:00", "expires_at": None, "last_used_at": None}
    panel.answer = {"tokens": [{"id": 7, "name": "cron", "owner": "anna", "scope": "run", **times}]}
    panel.run("token", "list")
    output = capsys.readouterr().out
    assert "anna" in output
    assert "operator" in output
    assert "cron" in output
    assert "never" in output
