"""Logging in through the pages: by link, by password, and staying logged in as long as it was promised."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr
from sqlmodel import select
from starlette.testclient import TestClient

from app.panel.auth.routes import relative
from app.panel.auth.service import MAX_AGE, MAX_IDLE, Auth
from app.panel.auth.tables import LoginSession
from app.panel.auth.throttle import FREE_ATTEMPTS
from app.panel.db.engine import Database
from app.panel.settings import Settings
from pipeline.core.problems import ProblemError
from tests.app.panel.auth.conftest import HandClock, application

PAGE = {"Accept": "text/html"}


def _path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def test_everything_is_closed_when_nobody_logged_in(client: TestClient) -> None:
    page = client.get("/?a=1", headers=PAGE)
    assert (page.status_code, page.headers["location"]) == (303, "/login")
    deep = client.get("/nowhere?b=2&c=3", headers=PAGE)
    assert deep.headers["location"] == "/login?next=%2Fnowhere%3Fb%3D2%26c%3D3"
    script = client.get("/api/v1/thing", headers=PAGE)
    assert (script.status_code, script.json()["id"]) == (401, "AUTH-01")
    assert script.headers["www-authenticate"] == "Bearer"
    swap = client.get("/", headers={"HX-Request": "true", **PAGE})
    assert (swap.status_code, swap.headers["hx-redirect"]) == (401, "/login")
    for address, login in (
        ("http://127.0.0.1:8080/runs/4?q=a#L7", "/login?next=%2Fruns%2F4%3Fq%3Da"),
        ("http://127.0.0.1:8080/", "/login"),
        ("//[", "/login"),
    ):
        headers = {"HX-Request": "true", "HX-Current-URL": address}
        assert client.get("/part", headers=headers).headers["hx-redirect"] == login
    assert client.get("/healthz").status_code == 200


def test_link_logs_in_when_opened_and_again_in_another_browser(client: TestClient, auth: Auth) -> None:
    for _ in range(2):
        client.cookies.clear()
        answer = client.get(_path(auth.login_url()), headers={"Sec-Fetch-Site": "none"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("panel_session_8080=")
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert client.get("/").json() == "inside"


def test_own_page_begins_the_next_step_when_the_link_is_followed_from_another_site(
    client: TestClient, auth: Auth
) -> None:
    answer = client.get(_path(auth.login_url()) + "&next=/runs/7", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    assert 'content="0; url=/runs/7"' in answer.text
    assert client.get("/").json() == "inside"


def test_link_is_refused_when_it_is_from_an_earlier_start(
    client: TestClient, settings: Settings, db: Database, clock: HandClock
) -> None:
    answer = client.get(_path(Auth(settings, db, clock).login_url()))
    assert answer.status_code == 401
    assert "AUTH-02" in answer.text
    assert "set-cookie" not in answer.headers


def test_password_logs_in_when_it_is_right_and_guessing_is_slowed_down(
    settings: Settings, db: Database, clock: HandClock
) -> None:
    auth = Auth(settings.model_copy(update={"password": SecretStr("correct horse")}), db, clock)
    client = application(auth, settings, clock)
    assert auth.login_url().endswith("/login")
    assert 'type="password"' in client.get("/login").text
    answer = client.post("/login", data={"password": "wrong horse"})
    assert answer.status_code == 401
    assert "AUTH-03" in answer.text
    for _ in range(4):
        client.post("/login", data={"password": "wrong horse"})
    answer = client.post("/login", data={"password": "correct horse"})
    assert answer.status_code == 429
    assert "AUTH-04" in answer.text
    assert answer.headers["retry-after"] == "1"
    clock.s += 1
    answer = client.post("/login", data={"password": "correct horse", "next": "/runs?state=failed"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/runs?state=failed")
    assert client.get("/").json() == "inside"


def test_empty_password_lets_nobody_in_when_the_panel_has_none(client: TestClient) -> None:
    answer = client.post("/login", data={"password": ""})
    assert answer.status_code == 401
    assert "AUTH-03" in answer.text


def test_session_outlives_a_restart_but_not_a_new_password(
    client: TestClient, auth: Auth, settings: Settings, db: Database, clock: HandClock
) -> None:
    client.get(_path(auth.login_url()))
    token = client.cookies["panel_session_8080"]
    again, changed = (
        Auth(settings, db, clock),
        Auth(settings.model_copy(update={"password": SecretStr("correct horse")}), db, clock),
    )
    for later in (again, changed):
        later.load()
    assert (again.is_session(token), changed.is_session(token)) == (True, False)


@pytest.mark.parametrize(("steps_s", "status"), [([MAX_IDLE.total_seconds() + 1], 303), ([3600.0] * 24, 200)])
def test_session_ends_when_it_was_not_used_for_long(
    client: TestClient, auth: Auth, clock: HandClock, steps_s: list[float], status: int
) -> None:
    client.get(_path(auth.login_url()))
    for step_s in steps_s:
        clock.s += step_s
        answer = client.get("/", headers=PAGE)
    assert answer.status_code == status


def test_session_ends_when_it_is_a_week_old_however_much_it_is_used(
    client: TestClient, auth: Auth, settings: Settings, db: Database, clock: HandClock
) -> None:
    client.get(_path(auth.login_url()))
    token = client.cookies["panel_session_8080"]
    while clock.s < MAX_AGE.total_seconds():
        clock.s += 6 * 3600
        answer = client.get("/", headers=PAGE)
    clock.s += 6 * 3600
    assert answer.status_code == 200
    assert client.get("/", headers=PAGE).status_code == 303
    later = Auth(settings, db, clock)
    later.load()
    assert not later.is_session(token)


def test_session_goes_on_when_the_database_cannot_be_written(
    auth: Auth, db: Database, clock: HandClock, monkeypatch: pytest.MonkeyPatch, client: TestClient
) -> None:
    client.get(_path(auth.login_url()))
    token = client.cookies[auth.cookie]
    clock.s += 360
    monkeypatch.setattr("app.panel.db.engine.BUSY_TIMEOUT_S", 0.01)
    with db.write():
        auth.touch(token)
        assert client.get("/").json() == "inside"


def test_session_is_over_when_logged_out(client: TestClient, auth: Auth) -> None:
    client.get(_path(auth.login_url()))
    token = client.cookies["panel_session_8080"]
    assert client.post("/logout").headers["location"] == "/login"
    assert client.get("/", headers={**PAGE, "Cookie": f"panel_session_8080={token}"}).status_code == 303


def test_session_is_found_when_other_programs_set_odd_cookies(client: TestClient, auth: Auth) -> None:
    client.get(_path(auth.login_url()))
    cookie = f'layout={{"a": [1]}}; odd name=1; =; {auth.cookie}={client.cookies[auth.cookie]}; last'
    client.cookies.clear()
    assert client.get("/", headers={"Cookie": cookie}).json() == "inside"


def test_use_is_noted_once_and_survives_a_restart_when_some_minutes_have_passed(
    client: TestClient, auth: Auth, settings: Settings, db: Database, clock: HandClock
) -> None:
    client.get(_path(auth.login_url()))
    token = client.cookies[auth.cookie]
    assert not auth.needs_touch(token)
    clock.s += MAX_IDLE.total_seconds() - 1
    assert [auth.needs_touch(token), auth.needs_touch(token)] == [True, False]
    auth.touch(token)
    clock.s += 2
    later = Auth(settings, db, clock)
    later.load()
    assert later.is_session(token)


def test_session_does_not_come_back_when_its_use_is_noted_after_the_logout(
    client: TestClient, auth: Auth, settings: Settings, db: Database, clock: HandClock
) -> None:
    client.get(_path(auth.login_url()))
    token = client.cookies[auth.cookie]
    auth.logout(token)
    auth.touch(token)
    later = Auth(settings, db, clock)
    later.load()
    assert not later.is_session(token)


def test_nothing_is_kept_of_sessions_that_are_over_when_somebody_logs_in(
    client: TestClient, auth: Auth, db: Database, clock: HandClock
) -> None:
    for _ in range(3):
        client.get(_path(auth.login_url()))
        clock.s += MAX_IDLE.total_seconds() + 1
    client.get(_path(auth.login_url()))
    with db.read() as session:
        assert len(session.exec(select(LoginSession)).all()) == len(auth._sessions) == 1


def test_guesses_are_counted_one_by_one_when_they_come_together(
    settings: Settings, db: Database, clock: HandClock
) -> None:
    auth = Auth(settings.model_copy(update={"password": SecretStr("correct horse")}), db, clock)

    def guess(_: int) -> str:
        with pytest.raises(ProblemError) as caught:
            auth.login_with_password("wrong horse", "a")
        return caught.value.id

    with ThreadPoolExecutor(20) as threads:
        problem_ids = list(threads.map(guess, range(20)))
    assert sorted(problem_ids) == ["AUTH-03"] * FREE_ATTEMPTS + ["AUTH-04"] * (20 - FREE_ATTEMPTS)


@pytest.mark.parametrize("password", [None, "correct horse"])
def test_owner_gets_in_when_a_foreign_page_has_tried_links_from_the_same_browser(
    settings: Settings, db: Database, clock: HandClock, password: str | None
) -> None:
    secret = SecretStr(password) if password else None
    auth = Auth(settings.model_copy(update={"password": secret}), db, clock)
    client = application(auth, settings, clock)
    for _ in range(60):
        assert client.get("/login?token=wrong").status_code == 401
    answer = (
        client.post("/login", data={"password": password})
        if password is not None
        else client.get(_path(auth.login_url()))
    )
    assert answer.status_code == 303


def test_database_holds_no_token_when_somebody_is_logged_in(
    client: TestClient, auth: Auth, settings: Settings, db: Database
) -> None:
    client.get(_path(auth.login_url()))
    token = client.cookies["panel_session_8080"]
    stored = b"".join(path.read_bytes() for path in settings.state_dir.glob("panel.db*"))
    assert auth._digest(token).encode() in stored
    assert token.encode() not in stored


def test_token_opens_when_it_is_the_configured_or_the_command_line_s(
    settings: Settings, db: Database, clock: HandClock
) -> None:
    auth = Auth(settings.model_copy(update={"api_token": SecretStr("a-token-of-some-length")}), db, clock)
    client = application(auth, settings, clock)

    def status(token: str) -> int:
        return client.get("/api/v1/thing", headers={"Authorization": f"Bearer {token}"}).status_code

    assert [status(t) for t in ("a-token-of-some-length", "another", "", "own-token")] == [200, 401, 401, 401]
    (settings.state_dir / "cli-token").write_text("own-token\n")
    assert [status(t) for t in ("own-token", "a-token-of-some-length", "")] == [200, 200, 401]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/runs/4?state=failed#log", "/runs/4?state=failed#log"),
        ("//evil.example", "/"),
        ("//[", "/"),
        ("/[", "/["),
        ("/a?u=//[", "/a?u=//["),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/a\\b", "/"),
        ("javascript:alert(1)", "/"),
        ("runs", "/"),
        ("/runs\r\nX: y", "/"),
        ("/login", "/"),
        ("", "/"),
    ],
)
def test_login_leads_only_to_our_own_pages_when_told_where(target: str, expected: str) -> None:
    assert relative(target) == expected
