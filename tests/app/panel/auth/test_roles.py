"""Who may do what, for each route of the panel: a new one fails here until somebody has decided."""

import re

from fastapi.routing import APIRoute

from app.panel.application import API, PAGES
from app.panel.auth.roles import required_role
from app.web.security import SAFE_METHODS

ANYBODY = {"/login", "/healthz", "/readyz"}
VIEWER = {"/logout"}
ADMIN = re.compile(r"/access/(users|audit).*|(/api/v1)?/backups.*|/api/v1/(users|audit|login-link).*")
OWN = re.compile(r"/access.*|/api/v1/(sessions|tokens).*")
OPERATOR = re.compile(
    r"/(api/v1/)?(runs|schedule|models|services|data|datasets|drift)(/.*)?|/runs/.*|/schedule/.*|/data/.*"
)


def expected(method: str, path: str) -> str:
    if ADMIN.fullmatch(path):
        return "admin"
    if path == "/runs/new":
        return "operator"
    if method in SAFE_METHODS or path in VIEWER or OWN.fullmatch(path):
        return "viewer"
    assert OPERATOR.fullmatch(path), f"{method} {path}: decide who may do this"
    return "operator"


def test_role_of_each_route_is_the_one_that_was_decided() -> None:
    routes = [route for router in (*PAGES, *API) for route in router.routes if isinstance(route, APIRoute)]
    pairs = [(method, route.path) for route in routes for method in route.methods or ()]
    assert len(pairs) > 40
    for method, path in pairs:
        if path not in ANYBODY:
            assert required_role(method, path) == expected(method, path), f"{method} {path}"


def test_viewer_is_refused_when_something_would_change() -> None:
    assert required_role("POST", "/a/route/of/tomorrow") == "operator"
    assert required_role("GET", "/access/users") == required_role("POST", "/api/v1/users/anna") == "admin"
    assert required_role("GET", "/access/usersx") == "viewer"
