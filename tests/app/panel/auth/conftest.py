"""A real database, a clock that the test moves, and an application that has nothing but the login."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlmodel import select
from starlette.testclient import TestClient

from app.panel.audit.tables import AuditEntry
from app.panel.auth.middleware import AuthMiddleware
from app.panel.auth.routes import RunningServices, router
from app.panel.auth.service import Auth
from app.panel.db.engine import Database
from app.panel.db.migrate import open_database
from app.panel.pages.renderer import PageRenderer
from app.panel.settings import Settings
from app.web.app_objects import provide


class HandClock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.s = 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 22, tzinfo=UTC) + timedelta(seconds=self.s)

    def monotonic(self) -> float:
        return self.s


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path)


@pytest.fixture
def db(settings: Settings, clock: HandClock) -> Iterator[Database]:
    database = open_database(settings.database, clock.now())
    yield database
    database.close()


@pytest.fixture
def auth(settings: Settings, db: Database, clock: HandClock) -> Auth:
    return started(settings, db, clock)


def started(settings: Settings, db: Database, clock: HandClock) -> Auth:
    """Return the login of a panel that has just started."""
    auth = Auth(settings, db, clock)
    auth.load()
    return auth


class Services:
    """The services, all of them up or none."""

    def __init__(self, *, are_running: bool = True) -> None:
        self.are_running = are_running

    def is_running(self, name: str) -> bool:  # noqa: ARG002
        return self.are_running


def application(
    auth: Auth, settings: Settings, clock: HandClock, services: RunningServices | None = None
) -> TestClient:
    """Return a client of an application with the login and one page behind it."""
    app = FastAPI()
    app.include_router(router)
    renderer = PageRenderer(settings, clock)
    provide(app, [renderer, auth], {RunningServices: services or Services()})

    @app.get("/")
    @app.get("/api/v1/thing")
    @app.post("/api/v1/thing")
    def inside() -> str:
        return "inside"

    @app.get("/healthz")
    def healthz() -> str:
        return "ok"

    app.add_middleware(AuthMiddleware, auth=auth, renderer=renderer)
    return TestClient(app, base_url="http://127.0.0.1:8080", follow_redirects=False)


@pytest.fixture
def client(auth: Auth, settings: Settings, clock: HandClock) -> TestClient:
    return application(auth, settings, clock)


def audited(db: Database) -> list[AuditEntry]:
    """Return the rows of the audit."""
    with db.read() as session:
        return list(session.exec(select(AuditEntry)).all())
