"""The guard: names, origins, sizes and headers, before any route runs."""

import asyncio
from collections.abc import Iterable

import pytest
from fastapi import FastAPI, Request
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web import security
from app.web.host_guard import allowed_hosts
from app.web.proxies import behind_proxies
from app.web.security import Policy, SecurityMiddleware, StrictTransport, is_same_origin

OURS = "http://127.0.0.1:8080"


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()

    @app.get("/")
    def read() -> str:
        return "read"

    @app.get("/alive")
    def alive() -> str:
        return "alive"

    @app.post("/")
    @app.post("/upload")
    async def write(request: Request) -> int:
        return len(await request.body())

    policy = Policy(
        hosts=allowed_hosts("127.0.0.1", "panel.lan, Other.lan"),
        ports=frozenset({8080}),
        body_bytes=1000,
        upload_bytes=5000,
        upload_paths=("/upload",),
        probe_paths=frozenset({"/alive"}),
    )
    app.add_middleware(SecurityMiddleware, policy=policy)
    return TestClient(app, base_url=OURS)


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "panel.lan:8080", "OTHER.lan:8080"])
def test_host_is_served_when_it_is_on_the_list(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:8080",
        "127.0.0.1",
        "127.0.0.1:5000",
        "127.0.0.1:8080.evil.example",
        "a@127.0.0.1:8080",
        "",
        "x" * 300,
    ],
)
def test_host_is_refused_when_it_is_not_on_the_list(client: TestClient, host: str) -> None:
    answer = client.get("/", headers={"Host": host})
    assert (answer.status_code, answer.json()["id"]) == (421, "WEB-01")


@pytest.mark.parametrize("host", ["172.18.0.2:8080", "[fd00::2]:8080", "192.0.2.5", "panel:8080"])
def test_probe_answers_to_addresses_when_an_orchestrator_asks(client: TestClient, host: str) -> None:
    assert client.get("/alive", headers={"Host": host}).status_code == 200
    assert client.get("/", headers={"Host": host}).status_code == 421
    assert client.get("/alive/../", headers={"Host": host}).status_code == 421


def test_probe_answers_to_no_name_when_a_stranger_can_own_it(client: TestClient) -> None:
    assert client.get("/alive", headers={"Host": "evil.example:8080"}).status_code == 421


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("panel.example", 404),
        ("PANEL.example:443", 404),
        ("panel.example:8080", 421),
        ("panel.example:80", 421),
        ("127.0.0.1:443", 421),
        ("127.0.0.1:8080", 404),
        ("127.0.0.1", 421),
    ],
)
def test_name_goes_with_its_own_port_when_it_is_that_of_a_proxy(host: str, status: int) -> None:
    app = FastAPI()
    hosts = allowed_hosts("127.0.0.1", "panel.example:443")
    app.add_middleware(SecurityMiddleware, policy=Policy(hosts, frozenset({8080})))
    client = TestClient(app, base_url=OURS)
    assert client.get("/", headers={"Host": host}).status_code == status
    assert client.post("/", headers={"Host": host, "Origin": f"https://{host}"}).status_code == status


def test_port_may_be_left_out_when_it_is_the_scheme_s_own() -> None:
    app = FastAPI()
    app.add_middleware(SecurityMiddleware, policy=Policy(frozenset({"panel.lan"}), frozenset({443})))
    assert TestClient(app, base_url="http://panel.lan").get("/").status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": OURS}, 200),
        ({"Origin": OURS, "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Authorization": "Bearer x"}, 200),
        ({}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": f"http://a@{OURS[7:]}"}, 403),
        ({"Origin": "http://127.0.0.1:5000"}, 403),
        ({"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": OURS, "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": f"{OURS}.evil.example"}, 403),
        ({"Authorization": "Basic x"}, 403),
    ],
)
def test_change_is_taken_only_when_our_own_page_or_a_token_sends_it(
    client: TestClient, headers: dict[str, str], status: int
) -> None:
    answer = client.post("/", content=b"x", headers=headers)
    assert answer.status_code == status
    assert status == 200 or answer.json()["id"] == "WEB-02"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Origin": "http://evil.example"}, 403),
    ],
)
def test_read_is_refused_when_a_foreign_page_fetches_it(
    client: TestClient, headers: dict[str, str], status: int
) -> None:
    assert client.get("/", headers=headers).status_code == status


def test_body_is_refused_when_it_declares_too_much(client: TestClient) -> None:
    assert client.post("/", content=b"x" * 1000, headers={"Origin": OURS}).json() == 1000
    answer = client.post("/", content=b"x" * 1001, headers={"Origin": OURS})
    assert (answer.status_code, answer.json()["id"]) == (413, "WEB-03")
    assert client.post("/upload", content=b"x" * 5000, headers={"Origin": OURS}).json() == 5000


def test_body_is_cut_off_when_it_declares_nothing_and_goes_on(client: TestClient) -> None:
    answer = client.post("/", content=(b"x" * 100 for _ in range(50)), headers={"Origin": OURS})
    assert (answer.status_code, answer.json()["id"]) == (413, "WEB-03")


def test_every_answer_carries_the_headers_when_it_is_a_refusal_too(client: TestClient) -> None:
    for answer in (client.get("/"), client.get("/nowhere"), client.post("/"), client.get("/", headers={"Host": "x"})):
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


def answers(app: ASGIApp, messages: Iterable[Message]) -> list[Message]:
    """Return what the guard in front of `app` sends for a POST whose body comes in these messages."""
    sent: list[Message] = []
    waiting = iter(messages)

    async def receive() -> Message:
        message = next(waiting, None)
        if message is None:
            await asyncio.Event().wait()
        assert message is not None
        return message

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", b"127.0.0.1:8080"), (b"origin", OURS.encode())]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers, "query_string": b"", "scheme": "http"}
    guard = SecurityMiddleware(app, Policy(allowed_hosts("127.0.0.1"), frozenset({8080}), body_bytes=1000))
    asyncio.run(asyncio.wait_for(guard(scope, receive, send), 10))
    return sent


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers while it reads."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while (message := await receive())["type"] == "http.request":
        await send({"type": "http.response.body", "body": message["body"], "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def reader(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers when it has read."""
    while (message := await receive()).get("more_body"):
        pass
    await send(
        {"type": "http.response.start", "status": 200 if message["type"] == "http.request" else 400, "headers": []}
    )
    await send({"type": "http.response.body", "body": b""})


def piece(n_bytes: int, *, is_last: bool = False) -> Message:
    return {"type": "http.request", "body": b"x" * n_bytes, "more_body": not is_last}


def test_answer_breaks_off_when_the_body_becomes_too_large_after_it_began() -> None:
    sent = answers(echo, [piece(600), piece(600), piece(600)])
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[0]["status"] == 200
    assert sent[-1]["more_body"] is True


@pytest.mark.parametrize("n_pieces", [0, 2])
def test_body_is_given_up_when_it_comes_too_slowly(monkeypatch: pytest.MonkeyPatch, n_pieces: int) -> None:
    monkeypatch.setattr(security, "BODY_S", 0.05)
    sent = answers(reader, [piece(1)] * n_pieces)
    assert [message.get("status") for message in sent] == [408, None]
    assert b"WEB-08" in sent[1]["body"]


def test_stream_goes_on_when_the_body_is_whole_and_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "BODY_S", 0.05)

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["more_body"] is False
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0.2)  # whoever streams waits for the reader to leave
        await send({"type": "http.response.start", "status": 200, "headers": []})

    assert [message.get("status") for message in answers(stream, [piece(1, is_last=True)])] == [200]


@pytest.mark.parametrize(
    ("origin", "scheme", "host", "is_same"),
    [
        ("https://panel.example", "https", "panel.example", True),
        ("https://panel.example", "https", "panel.example:443", True),
        ("https://panel.example:443", "https", "panel.example", True),
        ("https://Panel.example", "https", "panel.EXAMPLE", True),
        ("http://panel.example", "http", "panel.example:80", True),
        ("http://[::1]:8080", "http", "[::1]:8080", True),
        ("https://panel.example", None, "panel.example", True),
        ("http://panel.example", "https", "panel.example", False),
        ("https://panel.example", "http", "panel.example", False),
        ("https://panel.example", "https", "panel.example:80", False),
        ("https://panel.example:8443", "https", "panel.example", False),
        ("ftp://panel.example", None, "panel.example", False),
        ("panel.example", None, "panel.example", False),
        ("https://panel.example/", "https", "panel.example", False),
        ("https://a@panel.example", "https", "panel.example", False),
    ],
)
def test_origin_is_ours_when_scheme_host_and_port_are(
    origin: str, scheme: str | None, host: str, *, is_same: bool
) -> None:
    assert is_same_origin(origin, scheme, host) is is_same


@pytest.mark.parametrize(("origin", "status"), [("https://panel.example", 404), ("http://panel.example", 403)])
def test_scheme_of_an_origin_is_compared_when_a_trusted_proxy_says_which_it_is(origin: str, status: int) -> None:
    policy = Policy(frozenset({"panel.example:443"}), frozenset({8080}))
    app = behind_proxies(SecurityMiddleware(FastAPI(), policy), "127.0.0.1")
    client = TestClient(app, base_url=OURS, client=("127.0.0.1", 1))
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "panel.example"}
    assert client.post("/", headers={"Origin": origin, **forwarded}).status_code == status


@pytest.mark.parametrize(
    ("url", "is_strict"),
    [
        ("https://panel.example", True),
        ("http://panel.example", False),
        ("https://localhost", False),
        ("https://panel.localhost", False),
        ("https://127.0.0.1", False),
    ],
)
def test_browser_is_told_to_keep_to_https_when_it_came_by_it(url: str, *, is_strict: bool) -> None:
    hosts = frozenset({"panel.example", "localhost", "panel.localhost", "127.0.0.1"})
    for app in (
        SecurityMiddleware(FastAPI(), Policy(hosts, frozenset({80, 443}))),
        StrictTransport(FastAPI()),
    ):
        answer = TestClient(app, base_url=url).get("/")
        assert answer.status_code == 404
        assert ("strict-transport-security" in answer.headers) is is_strict
