"""Each of the four servers believes a trusted proxy about client, scheme and host name, and nobody else."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from bench.running import RunningPanel, panel

pytestmark = pytest.mark.process
TRUSTED, OTHER = "127.0.0.1", "127.0.0.2"  # from which requests come
PUBLIC = {name: f"{name}.example" for name in ("panel", "api", "app", "mlflow")}
PAGE = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPanel]:
    settings = {
        "TRUSTED_PROXIES": TRUSTED,
        "PANEL_PASSWORD": "violet-tractor-orbit-19-lantern",
        "API_KEY": "k3y-of-the-api-5a1c7e90d2b84f36",
        **{f"{name.upper()}_PUBLIC_URL": f"https://{host}" for name, host in PUBLIC.items()},
    }
    with panel(tmp_path_factory.mktemp("panel"), **settings) as running:
        running.wait_for_services()
        yield running


def get(running: RunningPanel, name: str, path: str, peer: str, client: str = "", **headers: str) -> httpx2.Response:
    """Return the answer to a request that `peer` passed on for `client`, by https and for the public name."""
    forwarded = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": PUBLIC[name],
        "X-Forwarded-For": client or "192.0.2.1",
    }
    with httpx2.Client(transport=httpx2.HTTPTransport(local_address=peer)) as sender:
        port = running.ports[f"{name.upper()}_PORT"]
        return sender.get(f"http://127.0.0.1:{port}{path}", headers={**forwarded, **headers})


@pytest.mark.parametrize("name", ["app", "mlflow"])
def test_service_is_for_the_browser_what_its_proxy_says(proxied: RunningPanel, name: str) -> None:
    answer = get(proxied, name, "/", TRUSTED, **PAGE)
    way = urlsplit(answer.headers["location"])
    assert (answer.status_code, f"{way.scheme}://{way.netloc}{way.path}") == (
        303,
        f"https://panel.example/enter/{name}",
    )
    assert parse_qs(way.query)["from"] == [f"https://{PUBLIC[name]}"]
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"__Host-{name}_session=")
    assert "secure" in cookie.lower()


@pytest.mark.parametrize("name", ["app", "mlflow"])
def test_service_believes_nobody_else_when_there_is_a_trusted_proxy(proxied: RunningPanel, name: str) -> None:
    answer = get(proxied, name, "/", OTHER, **PAGE)
    asked = parse_qs(urlsplit(answer.headers["location"]).query)
    assert asked["from"] == [f"http://127.0.0.1:{proxied.ports[f'{name.upper()}_PORT']}"]
    assert answer.headers["set-cookie"].startswith(f"{name}_session_")
    assert "strict-transport-security" not in answer.headers


@pytest.mark.parametrize("name", PUBLIC)
def test_browser_is_told_to_stay_with_https_when_a_trusted_proxy_says_so(proxied: RunningPanel, name: str) -> None:
    assert "strict-transport-security" in get(proxied, name, "/", TRUSTED, **PAGE).headers
    assert "strict-transport-security" not in get(proxied, name, "/", OTHER, **PAGE).headers


@pytest.mark.parametrize(
    ("name", "path"), [("panel", "/api/v1/runs"), ("api", "/stats"), ("mlflow", "/"), ("app", "/")]
)
def test_clients_of_a_trusted_proxy_are_told_apart_and_those_of_nobody_else(
    proxied: RunningPanel, name: str, path: str
) -> None:
    def refused(peer: str, client: str) -> int:
        return get(proxied, name, path, peer, client, Authorization="Bearer guess").status_code

    assert [refused(TRUSTED, "203.0.113.1") for _ in range(22)] == [401] * 20 + [429] * 2
    assert refused(TRUSTED, "203.0.113.2") == 401
    # Whoever names another client with each guess counts as the one that it is.
    assert [refused(OTHER, f"203.0.113.{n}") for n in range(100, 122)] == [401] * 20 + [429] * 2
