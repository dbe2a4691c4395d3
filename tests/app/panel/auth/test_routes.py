"""Logging in through the pages: by link, by password, and staying logged in as long as it was promised."""

import asyncio
from urllib.parse import urlencode, urlsplit

import pytest
from pydantic import SecretStr
from sqlmodel import select
from starlette.testclient import TestClient

from app.panel.audit.tables import AuditEntry
from app.panel.auth import throttle
from app.panel.auth.refusals import OF_CLIENT
from app.panel.auth.routes import relative
from app.panel.auth.service import Auth
from app.panel.auth.sessions import LONG_AGE, MAX_IDLE, Browser
from app.panel.auth.tables import LoginSession
from app.panel.auth.throttle import FREE_ATTEMPTS
from app.panel.db.engine import Database
from app.panel.settings import Settings
from app.web.access import FILE, AccessList, digest, session_digest
from app.web.identity import Identity
from app.web.proxies import behind_proxies
from pipeline.core.problems import ProblemError
from tests.app.panel.auth.conftest import HandClock, Services, application, audited, started

PAGE = {"Accept": "text/html"}
COOKIE = "panel_session_8080"
PASSWORD = "correct horse battery"
API_TOKEN = "kZ3v-9Qw2_xLr7TfB1nM"


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
    answer = client.get(_path(started(settings, db, clock).login_url()))
    assert answer.status_code == 401
    assert "AUTH-02" in answer.text
    assert "set-cookie" not in answer.headers


def test_password_logs_in_when_it_is_right(settings: Settings, db: Database, clock: HandClock) -> None:
    auth = started(settings.model_copy(update={"password": SecretStr(PASSWORD)}), db, clock)
    client = application(auth, settings, clock)
    assert auth.login_url().endswith("/login")
    assert 'type="password"' in client.get("/login").text
    answer = client.post("/login", data={"password": "wrong horse"})
    assert answer.status_code == 401
    assert "AUTH-03" in answer.text
    answer = client.post("/login", data={"password": PASSWORD, "next": "/runs?state=failed"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/runs?state=failed")
    assert client.get("/").json() == "inside"


def test_reason_is_given_when_too_many_passwords_wait(
    settings: Settings, db: Database, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = started(settings.model_copy(update={"password": SecretStr(PASSWORD)}), db, clock)
    client = application(auth, settings, clock)
    monkeypatch.setattr(throttle, "MAX_WAITING", 0)
    statuses = [client.post("/login", data={"password": "wrong"}).status_code for _ in range(6)]
    assert statuses == [401] * FREE_ATTEMPTS.amount + [429]
    answer = client.post("/login", data={"password": PASSWORD})
    assert "AUTH-04" in answer.text
    assert answer.headers["retry-after"] == "0"


def test_empty_password_lets_nobody_in_when_the_panel_has_none(client: TestClient) -> None:
    answer = client.post("/login", data={"password": ""})
    assert answer.status_code == 401
    assert "AUTH-03" in answer.text


def _log_in(auth: Auth, *, is_long: bool = False) -> str:
    """Return the token of a session that a password opened."""
    return asyncio.run(auth.login_with_password("admin", PASSWORD, Browser("here", "a browser"), is_long=is_long))


@pytest.fixture
def protected(settings: Settings) -> Settings:
    """The settings of a panel with a password."""
    return settings.model_copy(update={"password": SecretStr(PASSWORD)})


def test_session_outlives_a_restart_but_not_another_password(
    protected: Settings, settings: Settings, db: Database, clock: HandClock
) -> None:
    token = _log_in(started(protected, db, clock))
    assert started(protected, db, clock).sessions.find(token) is not None
    changed = settings.model_copy(update={"password": SecretStr("battery staple horse")})
    assert started(changed, db, clock).sessions.find(token) is None


def test_session_ends_when_the_password_is_not_set_any_more(
    protected: Settings, settings: Settings, db: Database, clock: HandClock
) -> None:
    token = _log_in(started(protected, db, clock))
    later = started(settings, db, clock)
    assert later.sessions.find(token) is None
    with pytest.raises(ProblemError) as caught:
        _log_in(later)
    assert caught.value.id == "AUTH-03"


def test_sessions_of_a_link_end_when_the_panel_prints_another(
    client: TestClient, auth: Auth, settings: Settings, db: Database, clock: HandClock
) -> None:
    client.get(_path(auth.login_url()))
    token = client.cookies[COOKIE]
    assert auth.sessions.find(token) is not None
    assert started(settings, db, clock).sessions.find(token) is None


@pytest.mark.parametrize(
    ("steps_s", "status"), [([MAX_IDLE.total_seconds() + 1], 303), ([1200.0] * 35, 200), ([1200.0] * 37, 303)]
)
def test_session_ends_when_it_was_not_used_for_half_an_hour_or_is_twelve_hours_old(
    client: TestClient, auth: Auth, clock: HandClock, steps_s: list[float], status: int
) -> None:
    client.get(_path(auth.login_url()))
    for step_s in steps_s:
        clock.s += step_s
        answer = client.get("/", headers=PAGE)
    assert answer.status_code == status


def test_session_goes_on_for_thirty_days_when_somebody_stays_logged_in(
    protected: Settings, db: Database, clock: HandClock
) -> None:
    auth = started(protected, db, clock)
    client = application(auth, protected, clock)
    client.post("/login", data={"password": PASSWORD, "stay": "true"})
    clock.s += LONG_AGE.total_seconds() - 1
    assert client.get("/").json() == "inside"
    assert started(protected, db, clock).sessions.find(client.cookies[COOKIE]) is not None
    clock.s += 2
    assert client.get("/", headers=PAGE).status_code == 303
    assert started(protected, db, clock).sessions.find(client.cookies[COOKIE]) is None


def test_session_goes_on_when_the_database_cannot_be_written(
    auth: Auth, db: Database, clock: HandClock, monkeypatch: pytest.MonkeyPatch, client: TestClient
) -> None:
    client.get(_path(auth.login_url()))
    session = auth.sessions.find(client.cookies[COOKIE])
    assert session is not None
    clock.s += 360
    monkeypatch.setattr("app.panel.db.engine.BUSY_TIMEOUT_S", 0.01)
    with db.write():
        auth.sessions.touch(session)
        assert client.get("/").json() == "inside"


def test_session_is_over_when_logged_out(client: TestClient, auth: Auth) -> None:
    client.get(_path(auth.login_url()))
    token = client.cookies["panel_session_8080"]
    assert client.post("/logout").headers["location"] == "/login"
    assert client.get("/", headers={**PAGE, "Cookie": f"panel_session_8080={token}"}).status_code == 303


def test_session_is_found_when_other_programs_set_odd_cookies(client: TestClient, auth: Auth) -> None:
    client.get(_path(auth.login_url()))
    cookie = f'layout={{"a": [1]}}; odd name=1; =; {COOKIE}={client.cookies[COOKIE]}; last'
    client.cookies.clear()
    assert client.get("/", headers={"Cookie": cookie}).json() == "inside"


def test_use_is_noted_once_and_survives_a_restart_when_some_minutes_have_passed(
    protected: Settings, db: Database, clock: HandClock
) -> None:
    auth = started(protected, db, clock)
    token = _log_in(auth)
    session = auth.sessions.find(token)
    assert session is not None
    assert not auth.sessions.needs_touch(session)
    clock.s += MAX_IDLE.total_seconds() - 1
    assert [auth.sessions.needs_touch(session), auth.sessions.needs_touch(session)] == [True, False]
    auth.sessions.touch(session)
    clock.s += 2
    assert started(protected, db, clock).sessions.find(token) is not None


def test_session_does_not_come_back_when_its_use_is_noted_after_the_logout(
    protected: Settings, db: Database, clock: HandClock
) -> None:
    auth = started(protected, db, clock)
    token = _log_in(auth)
    session = auth.sessions.find(token)
    assert session is not None
    auth.logout(session)
    auth.sessions.touch(session)
    assert started(protected, db, clock).sessions.find(token) is None


def test_nothing_is_kept_of_sessions_that_are_over_when_somebody_logs_in(
    client: TestClient, auth: Auth, db: Database, clock: HandClock
) -> None:
    for _ in range(3):
        client.get(_path(auth.login_url()))
        clock.s += MAX_IDLE.total_seconds() + 1
    client.get(_path(auth.login_url()))
    with db.read() as session:
        assert len(session.exec(select(LoginSession)).all()) == len(auth.sessions._sessions) == 1


@pytest.mark.parametrize("password", [None, PASSWORD])
def test_owner_gets_in_when_a_foreign_page_has_tried_links_from_the_same_browser(
    settings: Settings, db: Database, clock: HandClock, password: str | None
) -> None:
    secret = SecretStr(password) if password else None
    auth = started(settings.model_copy(update={"password": secret}), db, clock)
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
    assert digest(token).encode() in stored
    assert token.encode() not in stored


def test_token_opens_when_it_is_the_configured_or_the_command_line_s(
    settings: Settings, db: Database, clock: HandClock
) -> None:
    auth = started(settings.model_copy(update={"api_token": SecretStr(API_TOKEN)}), db, clock)
    client = application(auth, settings, clock)

    def status(token: str) -> int:
        return client.get("/api/v1/thing", headers={"Authorization": f"Bearer {token}"}).status_code

    assert [status(t) for t in (API_TOKEN, "another", "", "own-token")] == [200, 401, 401, 401]
    (settings.state_dir / "cli-token").write_text("own-token\n")
    assert [status(t) for t in ("own-token", API_TOKEN, "")] == [200, 200, 401]


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


def test_wrong_tokens_are_counted_while_a_right_one_is_accepted(
    settings: Settings, db: Database, clock: HandClock
) -> None:
    auth = started(settings.model_copy(update={"api_token": SecretStr(API_TOKEN)}), db, clock)
    client = application(auth, settings, clock)

    def answer(token: str) -> tuple[int, str]:
        response = client.get("/api/v1/thing", headers={"Authorization": f"Bearer {token}"})
        return response.status_code, response.headers.get("retry-after", "")

    answers = [answer(f"guess {n}") for n in range(40)]
    assert answers == [(401, "")] * 20 + [(429, "60")] * 20
    assert answer(API_TOKEN) == (200, "")
    with db.read() as session:
        rows = session.exec(select(AuditEntry)).all()
    assert [(row.action, row.outcome) for row in rows] == [("token.use", "refused")] * 10


ENTER = {"challenge": "c" * 64, "from": "http://localhost:5000", "next": "/runs?a=1"}


def test_service_is_opened_when_somebody_is_logged_in(client: TestClient, auth: Auth, settings: Settings) -> None:
    client.get(_path(auth.login_url()))
    answer = client.get("/enter/mlflow", params=ENTER)
    address = urlsplit(answer.headers["location"])
    assert (answer.status_code, address.netloc, address.path) == (303, "localhost:5000", "/runs")
    grant = address.query.removeprefix("a=1&_grant=")
    now = auth.sessions.service_sessions()[0].created_at.timestamp()
    access = AccessList(settings.access_dir / FILE, now=lambda: now)
    assert access.session(session_digest("c" * 64, grant), "mlflow") is not None


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example:5000",
        "http://127.0.0.1:5001",
        "http://127.0.0.1:8501",
        "http://127.0.0.1:5000@evil.example",
        "http://127.0.0.1:5000/x",
        "http://a@127.0.0.1:5000",
        "javascript://127.0.0.1:5000",
        "http://[::1",
        "http://127.0.0.1:x",
        "",
    ],
)
def test_login_is_not_handed_on_when_the_address_is_not_the_service_s(
    client: TestClient, auth: Auth, origin: str
) -> None:
    client.get(_path(auth.login_url()))
    with pytest.raises(ProblemError) as caught:
        client.get("/enter/mlflow", params={**ENTER, "from": origin})
    assert caught.value.id == "AUTH-14"
    assert auth.sessions.service_sessions() == []


def test_own_page_begins_the_next_step_when_a_service_sends_a_browser_whose_cookie_was_withheld(
    client: TestClient, auth: Auth
) -> None:
    answer = client.get("/enter/mlflow", params=ENTER, headers={"Sec-Fetch-Site": "cross-site", **PAGE})
    assert answer.status_code == 200
    assert 'http-equiv="refresh" content="0; url=/enter/mlflow?challenge=' in answer.text
    again = client.get("/enter/mlflow", params=ENTER, headers={"Sec-Fetch-Site": "same-origin", **PAGE})
    other = again.headers["location"]
    assert other.startswith("http://localhost:8080/enter/mlflow?challenge=")
    last = client.get(other, headers={"Sec-Fetch-Site": "same-origin", **PAGE})
    assert last.headers["location"].startswith("/login?next=%2Fenter%2Fmlflow%3Fchallenge%3D")


def test_own_page_leads_on_to_the_service_when_somebody_logs_in_with_a_password_on_the_way_there(
    settings: Settings, db: Database, clock: HandClock
) -> None:
    """A redirect would belong to the form, which may be sent to the panel only: browsers would not follow it there."""
    with_password = settings.model_copy(update={"password": SecretStr(PASSWORD)})
    client = application(started(with_password, db, clock), with_password, clock)
    answer = client.post("/login", data={"password": PASSWORD, "next": f"/enter/mlflow?{urlencode(ENTER)}"})
    assert answer.status_code == 200
    assert 'http-equiv="refresh" content="0; url=/enter/mlflow?challenge=' in answer.text
    assert client.get("/enter/mlflow", params=ENTER).headers["location"].startswith("http://localhost:5000/runs?")


def test_service_is_sent_to_its_other_name_when_it_was_opened_under_the_panel_s(client: TestClient, auth: Auth) -> None:
    client.get(_path(auth.login_url()))
    answer = client.get("/enter/mlflow", params={**ENTER, "from": "http://127.0.0.1:5000"})
    assert (answer.status_code, answer.headers["location"]) == (303, "http://localhost:5000/runs?a=1")
    assert auth.sessions.service_sessions() == []


def test_service_is_not_opened_when_it_has_no_other_name_than_the_panel_s(
    settings: Settings, db: Database, clock: HandClock
) -> None:
    named = settings.model_copy(update={"allowed_hosts": "box.lan"})
    auth = started(named, db, clock)
    client = application(auth, named, clock)
    client.get("http://box.lan:8080" + _path(auth.login_url()))
    with pytest.raises(ProblemError) as caught:
        client.get("http://box.lan:8080/enter/mlflow", params={**ENTER, "from": "http://box.lan:5000"})
    assert caught.value.id == "AUTH-16"


@pytest.mark.parametrize("path", ["/enter/..%2f..%2faccess", "/enter/", "/enter/api", "/enter/mlflow/"])
def test_only_the_ways_to_services_have_a_step_between_when_another_site_links_here(
    client: TestClient, path: str
) -> None:
    answer = client.get(path, params=ENTER, headers={"Sec-Fetch-Site": "cross-site", **PAGE})
    assert (answer.status_code, answer.headers["location"][:7]) == (303, "/login?")


def test_token_cannot_open_a_service_in_a_browser(settings: Settings, db: Database, clock: HandClock) -> None:
    auth = started(settings.model_copy(update={"api_token": SecretStr(API_TOKEN)}), db, clock)
    with pytest.raises(ProblemError) as caught:
        application(auth, settings, clock).get(
            "/enter/mlflow", params=ENTER, headers={"Authorization": f"Bearer {API_TOKEN}"}
        )
    assert caught.value.id == "AUTH-01"


def test_viewer_is_told_the_role_that_it_takes_when_refused(auth: Auth, settings: Settings, clock: HandClock) -> None:
    client = application(auth, settings, clock)
    text = auth.tokens.create(Identity("admin", "admin", "link"), "ci", "read", None).text
    answer = client.post("/api/v1/thing", headers={"Authorization": f"Bearer {text}"})
    assert (answer.status_code, answer.json()["id"]) == (403, "AUTH-08")
    assert answer.json()["what"] == "This needs the role operator."


def test_line_is_recorded_once_for_many_when_a_stranger_floods_the_audit(
    client: TestClient, auth: Auth, db: Database
) -> None:
    for n in range(OF_CLIENT.amount + 5):
        auth.refusals.record("session.login", f"user {n}", "203.0.113.5", "Wrong.")
    auth.refusals.record("session.login", "last", "203.0.113.6", "Wrong.")
    rows = audited(db)
    assert len(rows) == OF_CLIENT.amount + 1
    assert rows[-1].detail == "Wrong. 5 more before this one are not listed."


def test_wrong_token_is_refused_with_its_own_reason_when_there_were_too_many(client: TestClient) -> None:
    for _ in range(21):
        answer = client.get("/api/v1/thing", headers={"Authorization": "Bearer x"})
    assert answer.json()["id"] == "AUTH-15"


PROXIED = {"proxy_user_header": "Remote-User", "trusted_proxies": "10.0.0.1"}


def _proxied(auth: Auth, settings: Settings, clock: HandClock, peer: str) -> TestClient:
    """Return a client whose requests arrive from the address `peer`, as the panel's outermost layer takes them."""
    inner = application(auth, settings, clock).app
    app = behind_proxies(inner, settings.trusted_proxies)
    return TestClient(app, base_url="http://127.0.0.1:8080", follow_redirects=False, client=(peer, 1))


def test_user_whom_a_trusted_proxy_names_is_logged_in(settings: Settings, db: Database, clock: HandClock) -> None:
    named = settings.model_copy(update=PROXIED)
    auth = started(named, db, clock)
    auth.users.create("anna", "viewer", None)
    client = _proxied(auth, named, clock, "10.0.0.1")
    assert client.get("/", headers={"Remote-User": "Anna"}).json() == "inside"
    assert client.post("/api/v1/thing", headers={"Remote-User": "anna"}).status_code == 403
    location = client.get("/enter/mlflow", params=ENTER, headers={"Remote-User": "anna"}).headers["location"]
    assert location.startswith("http://localhost:5000/runs?a=1&_grant=")
    assert [session.user for session in auth.sessions.service_sessions()] == ["anna"]
    auth.users.change("anna", is_disabled=True)
    assert client.get("/", headers={**PAGE, "Remote-User": "anna"}).status_code == 303


@pytest.mark.parametrize(
    ("peer", "headers"),
    [
        ("10.0.0.2", {"Remote-User": "anna"}),
        ("10.0.0.1", {"Remote-User": "eve"}),
        ("10.0.0.1", {"Remote-User": ""}),
        ("10.0.0.1", {"Remote-User": "an na"}),
        ("10.0.0.1", {"X-Remote-User": "anna"}),
    ],
)
def test_nobody_is_logged_in_when_no_trusted_proxy_names_a_known_user(
    settings: Settings, db: Database, clock: HandClock, peer: str, headers: dict[str, str]
) -> None:
    named = settings.model_copy(update=PROXIED)
    auth = started(named, db, clock)
    auth.users.create("anna", "admin", None)
    assert _proxied(auth, named, clock, peer).get("/", headers={**PAGE, **headers}).status_code == 303
    plain = settings.model_copy(update={"trusted_proxies": "10.0.0.1"})
    assert (
        _proxied(started(plain, db, clock), plain, clock, "10.0.0.1")
        .get("/", headers={**PAGE, "Remote-User": "anna"})
        .status_code
        == 303
    )


def test_new_user_gets_the_role_of_the_setting_when_the_proxy_names_one(
    settings: Settings, db: Database, clock: HandClock
) -> None:
    named = settings.model_copy(update={**PROXIED, "proxy_user_role": "operator"})
    auth = started(named, db, clock)
    client = _proxied(auth, named, clock, "10.0.0.1")
    assert client.post("/api/v1/thing", headers={"Remote-User": "eve"}).status_code == 200
    assert auth.users.role("eve") == "operator"
    assert [(row.actor, row.action, row.target) for row in audited(db)] == [("eve", "user.create", "eve")]


def test_browser_is_known_when_its_user_logs_in_again_and_only_for_that_user(
    settings: Settings, db: Database, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = started(settings.model_copy(update={"password": SecretStr(PASSWORD)}), db, clock)
    auth.users.create("anna", "viewer", "pigeon-lamp-91-violet")
    client = application(auth, settings, clock)
    client.post("/login", data={"password": PASSWORD})
    device = client.cookies["panel_device_session_8080"]
    stranger = application(auth, settings, clock)
    monkeypatch.setattr(throttle, "MAX_WAITING", 0)
    statuses = [stranger.post("/login", data={"password": "wrong"}).status_code for _ in range(6)]
    assert statuses == [401] * FREE_ATTEMPTS.amount + [429]
    assert client.post("/login", data={"password": PASSWORD}).status_code == 303
    assert client.cookies["panel_device_session_8080"] == device
    assert client.post("/login", data={"name": "anna", "password": "pigeon-lamp-91-violet"}).status_code == 429
    stored = b"".join(path.read_bytes() for path in settings.state_dir.glob("panel.db*"))
    assert device.encode() not in stored


def test_nothing_of_a_huge_name_or_target_is_kept_or_shown(settings: Settings, db: Database, clock: HandClock) -> None:
    auth = started(settings.model_copy(update={"password": SecretStr(PASSWORD)}), db, clock)
    client = application(auth, settings, clock)
    answer = client.post("/login", data={"name": "x" * 500_000, "password": "y" * 400_000, "next": "/" + "z" * 99_000})
    assert answer.status_code == 401
    assert len(answer.content) < 20_000
    assert max(len(str(key)) for key in auth.throttle._limiter.storage.events) < 100  # type: ignore[attr-defined]
    assert max(len(row.target) for row in audited(db)) < 100


def test_login_is_not_handed_on_when_the_service_is_not_running(
    settings: Settings, db: Database, clock: HandClock
) -> None:
    """Whoever listens in its place meanwhile would be let in, for as long as the session lasts."""
    auth = started(settings, db, clock)
    client = application(auth, settings, clock, Services(are_running=False))
    client.get(_path(auth.login_url()))
    with pytest.raises(ProblemError) as caught:
        client.get("/enter/mlflow", params=ENTER)
    assert caught.value.id == "AUTH-17"
    assert auth.sessions.service_sessions() == []
