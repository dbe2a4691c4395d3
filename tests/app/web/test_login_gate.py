"""The login gate: through the panel and back, with nothing on the way that would let anybody else in."""

import base64
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from app.web.access import FILE, Access, AccessList, SessionAccess, TokenAccess, digest, session_digest
from app.web.identity import identity_of
from app.web.login_gate import GRANT, MAX_IDLE_S, Gate, LoginGate, panel_address

PAGE = {"Accept": "text/html"}
BASE = "http://127.0.0.1:5000"


async def inside(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what the application behind the gate sees."""
    identity = identity_of(scope)
    request = Request(scope)
    seen = {
        "name": identity.name if identity else None,
        "role": identity.role if identity else None,
        "cookies": request.headers.get("cookie"),
        "authorization": request.headers.get("authorization"),
        "query": scope["query_string"].decode(),
    }
    await JSONResponse(seen)(scope, receive, send)


class World:
    """A gate, the panel's list, and as many browsers as one likes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.s = 0.0
        self.access = Access()
        gate = Gate("mlflow", 5000, "http://127.0.0.1:8080", open_paths=("/health", "/static-files/"))
        self.app = LoginGate(inside, gate, AccessList(self.path), monotonic=lambda: self.s)

    def browser(self, base_url: str = BASE) -> TestClient:
        return TestClient(self.app, base_url=base_url, follow_redirects=False)

    def let_in(self, challenge: str, grant: str, *, is_long: bool = False, created_at: float | None = None) -> None:
        at = time.time() if created_at is None else created_at
        self.access.sessions[session_digest(challenge, grant)] = SessionAccess(
            "mlflow", "anna", "operator", "password", at, at + 86400, is_long
        )
        self.write()

    def token(self, text: str, *services: str) -> None:
        self.access.tokens[digest(text)] = TokenAccess("admin/notebook", services, "operator")
        self.write()

    def write(self) -> None:
        aside = self.path.with_name("new")
        aside.write_bytes(self.access.to_json())
        aside.replace(self.path)

    def log_in(self, browser: TestClient, grant: str = "grant", **options: bool) -> None:
        self.let_in(challenge(browser), grant, **options)
        assert browser.get(f"/?{GRANT}={grant}", headers=PAGE).status_code == 303


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def challenge(browser: TestClient, path: str = "/") -> str:
    answer = browser.get(path, headers=PAGE)
    assert answer.status_code == 303
    return parse_qs(urlsplit(answer.headers["location"]).query)["challenge"][0]


def test_browser_is_sent_to_the_panel_and_comes_back_logged_in(world: World) -> None:
    browser = world.browser()
    answer = browser.get("/runs/7?a=1&b=%20", headers=PAGE)
    address = urlsplit(answer.headers["location"])
    assert (address.netloc, address.path) == ("localhost:8080", "/enter/mlflow")
    query = parse_qs(address.query)
    assert (query["from"], query["next"]) == ([BASE], ["/runs/7?a=1&b=%20"])
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert browser.cookies["mlflow_session_5000"] not in answer.headers["location"]
    world.let_in(query["challenge"][0], "g")
    back = browser.get(f"/runs/7?a=1&b=%20&{GRANT}=g", headers=PAGE)
    assert (back.status_code, back.headers["location"]) == (303, "/runs/7?a=1&b=+")
    seen = browser.get("/runs/7?a=1").json()
    assert seen == {"name": "anna", "role": "operator", "cookies": None, "authorization": None, "query": "a=1"}


def test_grant_is_of_no_use_when_another_browser_has_it(world: World) -> None:
    """Neither to whoever reads the address, nor to whoever made somebody else log in with a challenge of their own."""
    victim, thief = world.browser(), world.browser()
    known = challenge(victim)
    challenge(thief)
    world.let_in(known, "g")
    assert thief.get(f"/?{GRANT}=g", headers=PAGE).status_code == 401
    thief.cookies.set("mlflow_session_5000", f"{known}.g")
    assert thief.get("/").status_code == 401
    mine = challenge(world.browser())
    world.let_in(mine, "h")  # a victim followed the thief's link to the panel
    assert victim.get(f"/?{GRANT}=h", headers=PAGE).status_code == 401


def test_tabs_of_one_browser_do_not_disturb_each_other(world: World) -> None:
    browser = world.browser()
    first, second = challenge(browser, "/a"), challenge(browser, "/b")
    assert first == second
    for grant in ("g", "h"):
        world.let_in(first, grant)
        assert browser.get(f"/?{GRANT}={grant}", headers=PAGE).status_code == 303
        assert browser.get("/").status_code == 200


def test_programs_get_401_when_they_have_no_token(world: World) -> None:
    for headers in ({}, PAGE):
        answer = world.browser().post("/api/2.0/mlflow/runs/create", headers=headers)
        assert (answer.status_code, answer.json()["id"]) == (401, "WEB-20")
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("kind", ["bearer", "basic"])
def test_token_opens_when_it_is_right_in_either_form(world: World, kind: str) -> None:
    world.token("secret", "mlflow")
    for text, status in (("secret", 200), ("Secret", 401), ("", 401)):
        basic = base64.b64encode(f"anna:{text}".encode()).decode()
        value = f"Bearer {text}" if kind == "bearer" else f"Basic {basic}"
        answer = world.browser().post("/", headers={"Authorization": value})
        assert answer.status_code == status
    assert world.browser().get("/", headers={"Authorization": "Basic ###"}).status_code == 401


def test_token_of_other_services_opens_nothing_here(world: World) -> None:
    world.token("secret", "api", "app")
    assert world.browser().get("/", headers={"Authorization": "Bearer secret"}).status_code == 401


def test_session_is_over_at_once_when_the_panel_ends_it(world: World) -> None:
    browser = world.browser()
    world.log_in(browser)
    assert browser.get("/").status_code == 200
    world.access.sessions.clear()
    world.write()
    assert browser.get("/").status_code == 401
    assert browser.get("/", headers=PAGE).status_code == 303


@pytest.mark.parametrize(("is_long", "status"), [(False, 401), (True, 200)])
def test_session_is_over_when_it_was_not_used_for_half_an_hour(world: World, is_long: bool, status: int) -> None:
    browser = world.browser()
    known = challenge(browser)
    world.let_in(known, "g", is_long=is_long, created_at=time.time() - MAX_IDLE_S - 1)
    assert browser.get(f"/?{GRANT}=g", headers=PAGE).status_code == 303
    assert browser.get("/").status_code == 200
    world.s += MAX_IDLE_S - 1
    assert browser.get("/").status_code == 200
    world.s += MAX_IDLE_S + 1
    assert browser.get("/").status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://127.0.0.1:8888"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": BASE},
        {},
    ],
)
def test_page_of_another_port_can_do_nothing_with_somebody_s_session(world: World, headers: dict[str, str]) -> None:
    browser = world.browser()
    world.log_in(browser)
    assert browser.post("/", headers=headers).status_code == 403
    assert browser.post("/", headers={"Origin": BASE, "Sec-Fetch-Site": "same-origin"}).status_code == 200


@pytest.mark.parametrize(("path", "status"), [("/health", 200), ("/static-files/x", 200), ("/healthz", 401)])
def test_only_what_is_named_is_open(world: World, path: str, status: int) -> None:
    answer = world.browser().get(path, headers={"Cookie": "panel_session_8080=x", "Authorization": "Bearer y"})
    assert answer.status_code == status
    assert status != 200 or answer.json()["cookies"] is answer.json()["authorization"] is None


def test_login_leads_back_only_to_this_service(world: World) -> None:
    browser = world.browser()
    world.let_in(challenge(browser), "g")
    back = browser.get(f"{BASE}//evil.example/x?{GRANT}=g", headers=PAGE)
    assert back.headers["location"] == "/evil.example/x"


def test_wrong_tokens_are_counted_and_logged_while_a_right_one_is_accepted(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.token("right", "mlflow")
    answers = [world.browser().get("/a", headers={"Authorization": f"Bearer guess-{n}"}) for n in range(25)]
    assert [answer.status_code for answer in answers] == [401] * 20 + [429] * 5
    assert answers[-1].headers["retry-after"] == "60"
    assert len(caplog.messages) == 20
    assert set(caplog.messages) == {"action=token.use result=refused service=mlflow address=testclient"}
    assert world.browser().get("/a", headers={"Authorization": "Bearer right"}).status_code == 200


@pytest.mark.parametrize(
    ("panel_url", "names", "host", "address"),
    [
        ("http://127.0.0.1:8080", "box.lan", "127.0.0.1:5000", "http://localhost:8080"),
        ("http://127.0.0.1:8080", "", "localhost:5000", "http://127.0.0.1:8080"),
        ("http://127.0.0.1:8080", "", "[::1]:5000", "http://127.0.0.1:8080"),
        # Where the panel has no other name, it says why it lets nobody in.
        ("http://127.0.0.1:8080", "", "box.lan:5000", "http://box.lan:8080"),
        ("http://127.0.0.1:8080", "box.lan", "box.lan:5000", "http://box.lan:8080"),
        ("http://127.0.0.1:8080", "192.0.2.5,box.lan", "box.lan:5000", "http://192.0.2.5:8080"),
        ("http://127.0.0.1:8080", "192.0.2.5,box.lan", "192.0.2.5:5000", "http://box.lan:8080"),
        ("http://[::1]:8080", "[2001:db8::5],box.lan", "box.lan:5000", "http://[2001:db8::5]:8080"),
        ("http://[::1]:8080", "[2001:db8::5],box.lan", "[2001:db8::5]:5000", "http://box.lan:8080"),
        ("https://panel.example", "box.lan", "mlflow.example", "https://panel.example"),
    ],
)
def test_panel_is_where_this_browser_finds_it_under_another_name(
    panel_url: str, names: str, host: str, address: str
) -> None:
    request = Request({"type": "http", "headers": [(b"host", host.encode())]})
    assert panel_address(panel_url, tuple(names.split(",")) if names else (), request.headers) == address
