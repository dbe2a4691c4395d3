"""Each route of the installed MLflow is either allowed or refused on purpose, and paths cannot be disguised."""

import re

import pytest

from app.tracking_server.routes import allowed, is_allowed, is_write, reads, writes
from tests.app.tracking_server.installed import REFUSED, installed, overlap, refusal

pytestmark = pytest.mark.slow
ASSISTANT = "/ajax-api/3.0/mlflow/assistant"


def test_each_route_is_decided_on_when_mlflow_has_it() -> None:
    """Fails for a route that a later version of MLflow brings: add it to `routes.py` or to `installed.REFUSED`."""
    permitted = set(allowed())
    routes = installed()
    assert len(routes) > 300
    assert sorted(route for route in routes if route not in permitted and refusal(route) is None) == []
    assert sorted(route for route in routes if route in permitted and refusal(route) is not None) == []


def test_a_route_either_reads_or_writes_when_it_is_allowed() -> None:
    """What reads is open to viewers: a POST counts as reading only if its name says so."""
    searches = re.compile(
        r".*/(search|search-datasets|get-latest-versions|batchGetInfos|metrics|graphql|calculate-[a-z-]+)"
    )
    assert [route for route in reads() if route[0] != "GET" and not searches.fullmatch(route[1])] == []
    assert [route for route in writes() if route[0] == "GET" or searches.fullmatch(route[1])] == []
    clashes = [
        (one, other) for one in reads() for other in writes() if one[0] == other[0] and overlap(one[1], other[1])
    ]
    assert clashes == []
    assert sorted(allowed()) == sorted([*reads(), *writes()])
    assert all(is_write(method, path.replace("*", "x")) for method, path in writes())
    assert not any(is_write(method, path.replace("*", "x")) for method, path in reads())


def test_no_decision_is_kept_when_mlflow_no_longer_has_the_route() -> None:
    routes = installed()
    assert sorted(set(allowed()) - routes) == []
    used = {refusal(route) for route in routes}
    assert [entry for entries in REFUSED.values() for entry in entries if entry not in used] == []


def test_no_path_of_a_refused_route_passes_when_an_allowed_one_has_parameters() -> None:
    refused = [route for route in installed() if refusal(route) is not None]
    permitted = allowed()
    clashes = [
        (each, route) for each in permitted for route in refused if each[0] == route[0] and overlap(each[1], route[1])
    ]
    assert clashes == []
    assert not any(is_allowed(method, path.replace("*", "x")) for method, path in refused)
    assert all(is_allowed(method, path.replace("*", "x")) for method, path in permitted)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/ajax-api",
        "//",
        f"/{ASSISTANT}/config",
        f"{ASSISTANT}/config/",
        f"{ASSISTANT}//config",
        f"{ASSISTANT}/config\n",
        f"{ASSISTANT.upper()}/config",
        f"/static-files{ASSISTANT}",
        f"/static-files/..{ASSISTANT}/config",
        f"/static-files/x/../..{ASSISTANT}/config",
        f"/static-files/.{ASSISTANT}/config",
        "/static-files/..",
        "/static-files//x",
        "/version\n",
        "/version/",
        "/VERSION",
        "/version\x00",
        "http://127.0.0.1/version",
        "/api/2.0/mlflow-artifacts/artifacts/1/../../x",
        "/api/2.0/mlflow-artifacts/artifacts/",
        "/api/2.0/mlflow/logged-models/a/b",
        "/api/2.0/mlflow/logged-models/a\r\n",
        "/api/3.0/mlflow/traces/a\nb",
        "/openapi.json",
        "/docs",
        "/metrics",
    ],
)
def test_a_path_is_refused_when_it_is_disguised_or_unknown(path: str) -> None:
    methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
    passing = [method for method in methods if is_allowed(method, path)]
    # A file below /static-files may have any name; MLflow looks for it there and nowhere else.
    assert passing == (["GET", "HEAD"] if path == f"/static-files{ASSISTANT}" else [])


def test_methods_are_refused_when_the_route_has_others() -> None:
    assert is_allowed("GET", "/version")
    assert is_allowed("HEAD", "/version")
    assert [m for m in ("POST", "OPTIONS", "TRACE", "CONNECT", "get", "") if is_allowed(m, "/version")] == []
    assert is_allowed("POST", "/graphql")
    assert not is_allowed("HEAD", "/graphql")


def test_names_pass_when_they_are_unusual() -> None:
    assert is_allowed("PUT", "/api/2.0/mlflow-artifacts/artifacts/1/ab/artifacts/plots/größe 100%..svg")
    assert is_allowed("GET", "/api/2.0/mlflow-artifacts/artifacts/1/.hidden/...")
    assert is_allowed("DELETE", "/api/2.0/mlflow/logged-models/m-1/tags/a.b c")
