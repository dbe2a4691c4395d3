"""A panel's login and the pages and JSON of Access behind it, with people to act as."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.panel.accounts import api, audit_routes, routes, users_routes
from app.panel.accounts.service import Accounts
from app.panel.audit.queries import AuditQueries
from app.panel.auth.middleware import AuthMiddleware
from app.panel.auth.service import Auth
from app.panel.auth.sessions import Browser
from app.panel.db.engine import Database
from app.panel.db.migrate import open_database
from app.panel.pages import error_handlers
from app.panel.pages.renderer import PageRenderer
from app.panel.settings import Settings
from app.web.app_objects import provide
from app.web.identity import Via
from tests.app.panel.auth.conftest import HandClock, started

STRONG = "pigeon-lamp-91-violet"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"


class Access:
    """`anna` is an operator, `vera` a viewer, `admin` whoever started the panel."""

    def __init__(self, folder: Path) -> None:
        self.clock = HandClock()
        self.settings = Settings(state_dir=folder)
        self.db: Database = open_database(folder / "panel.db", self.clock.now())
        self.auth: Auth = started(self.settings, self.db, self.clock)
        self.auth.users.create("anna", "operator", STRONG)
        self.auth.users.create("vera", "viewer", STRONG)
        app = FastAPI()
        renderer = PageRenderer(self.settings, self.clock)
        provide(app, [renderer, self.auth, Accounts(self.auth, self.clock), AuditQueries(self.db)])
        error_handlers.install(app, renderer)
        for router in (routes.router, users_routes.router, audit_routes.router, api.router):
            app.include_router(router)
        app.add_middleware(AuthMiddleware, auth=self.auth, renderer=renderer)
        self.app = app

    def as_user(self, user: str, via: Via = "password") -> TestClient:
        """Return a browser in which `user` has logged in."""
        with self.db.write() as tx:
            token = self.auth.sessions.create(tx, user, via, Browser("203.0.113.5", FIREFOX))
        self.auth.sessions.keep(token)
        headers = {"Cookie": f"panel_session_8080={token}", "Accept": "text/html"}
        return self.client(headers)

    def with_token(self, text: str) -> TestClient:
        """Return a script that has a token."""
        return self.client({"Authorization": f"Bearer {text}"})

    def client(self, headers: dict[str, str]) -> TestClient:
        return TestClient(self.app, base_url="http://127.0.0.1:8080", headers=headers, follow_redirects=False)


@pytest.fixture
def access(tmp_path: Path) -> Iterator[Access]:
    access = Access(tmp_path)
    yield access
    access.db.close()
