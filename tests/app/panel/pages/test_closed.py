"""Every route of the panel is closed to who has not logged in, however it was added."""

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.testclient import TestClient

from app.panel.auth.middleware import is_open

pytestmark = pytest.mark.process
OPEN = {"/healthz", "/readyz", "/login", "/static/css/app.css"}


def _paths(app: FastAPI) -> list[tuple[str, str]]:
    paths: list[tuple[str, str]] = []
    for route in iter_route_contexts(app.routes):
        path = (route.path or "").replace("{run_id}", "1").replace("{version}", "1").replace("{name}", "api")
        paths += [(method, path) for method in sorted(route.methods or {"GET"})]
    return paths


def test_route_is_closed_when_nobody_logged_in(client: TestClient) -> None:
    app = client.app
    assert isinstance(app, FastAPI)
    routes = _paths(app)
    assert len(routes) > 40
    routes.append(("GET", "/static/css/app.css"))
    # Not used as a context manager: the panel of the fixture goes on running.
    stranger = TestClient(
        app, base_url="http://127.0.0.1:8080", follow_redirects=False, headers={"Origin": "http://127.0.0.1:8080"}
    )
    for method, path in routes:
        for accept in ("text/html", "application/json"):
            answer = stranger.request(method, path, headers={"Accept": accept})
            is_refused = answer.headers.get("location", "").startswith("/login") or "AUTH-01" in answer.text
            # From there to the login page, if nobody is logged in under the other name of this machine either.
            is_refused |= answer.headers.get("location", "").startswith("http://localhost:8080/enter/")
            # HEAD has no body that could say AUTH-01.
            is_refused |= method == "HEAD" and answer.status_code == 401
            assert is_refused is (path not in OPEN), (method, path, answer.status_code)


@pytest.mark.parametrize(
    "path", ["/healthz/", "/readyz/", "/Login", "/static", "/login/x", "//static/css/app.css", "/x/static/"]
)
def test_path_is_not_open_when_it_only_looks_like_one(path: str) -> None:
    assert not is_open(path)


@pytest.mark.parametrize("path", ["/static/../models", "/static/%2e%2e/models", "/static/..%2fpyproject.toml"])
def test_nothing_else_is_served_when_a_path_climbs_out_of_the_static_folder(client: TestClient, path: str) -> None:
    stranger = TestClient(client.app, base_url="http://127.0.0.1:8080", follow_redirects=False)
    answer = stranger.get(path)
    assert answer.status_code in {303, 401, 404}
    assert "requires-python" not in answer.text
