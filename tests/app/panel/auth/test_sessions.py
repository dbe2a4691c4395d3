"""Sessions are listed, ended one by one and all at once; what was opened from them ends with them."""

import asyncio

import pytest
from pydantic import SecretStr

from app.panel.auth.service import Auth
from app.panel.auth.sessions import MAX_AGE, Browser
from app.panel.auth.tables import LoginSession
from app.panel.db.engine import Database
from app.panel.settings import Settings
from app.web.access import FILE, AccessList, session_digest
from pipeline.core.problems import ProblemError
from tests.app.panel.auth.conftest import HandClock, started

PASSWORD = "pigeon-lamp-91-violet"
CHALLENGE = "c" * 64


@pytest.fixture
def auth(settings: Settings, db: Database, clock: HandClock) -> Auth:
    return started(settings.model_copy(update={"password": SecretStr(PASSWORD)}), db, clock)


def log_in(auth: Auth, agent: str = "a browser") -> LoginSession:
    token = asyncio.run(auth.login_with_password("admin", PASSWORD, Browser("203.0.113.5", agent)))
    session = auth.sessions.find(token)
    assert session is not None
    return session


def access_list(settings: Settings, clock: HandClock) -> AccessList:
    return AccessList(settings.access_dir / FILE, now=lambda: clock.now().timestamp())


def test_list_says_where_each_session_is_from(auth: Auth) -> None:
    log_in(auth, "first"), log_in(auth, "x" * 1000)
    rows = auth.sessions.all("admin")
    assert {(row.address, row.agent[:5], len(row.agent)) for row in rows} == {
        ("203.0.113.5", "first", 5),
        ("203.0.113.5", "xxxxx", 200),
    }
    assert auth.sessions.all("anna") == []


def test_session_of_somebody_else_cannot_be_ended(auth: Auth) -> None:
    session = log_in(auth)
    with pytest.raises(ProblemError) as caught:
        auth.sessions.end(session.digest, "session.end", user="anna")
    assert caught.value.id == "AUTH-13"


def test_all_but_this_one_end_when_somebody_says_so(auth: Auth) -> None:
    kept, others = log_in(auth), [log_in(auth), log_in(auth)]
    auth.sessions.end_all("admin", but=kept.digest)
    assert [row.digest for row in auth.sessions.all()] == [kept.digest]
    assert kept.digest not in {row.digest for row in others}


@pytest.mark.parametrize("how", ["logout", "all", "time", "password"])
def test_service_is_closed_when_the_session_that_opened_it_ends(
    auth: Auth, settings: Settings, db: Database, clock: HandClock, how: str
) -> None:
    session = log_in(auth)
    grant = auth.grant(session, "mlflow", CHALLENGE)
    digest = session_digest(CHALLENGE, grant)
    access = access_list(settings, clock)
    entry = access.session(digest, "mlflow")
    assert entry is not None
    assert (entry.user, entry.role, entry.via) == ("admin", "admin", "password")
    assert access.session(digest, "app") is None
    if how == "logout":
        auth.logout(session)
    elif how == "all":
        auth.sessions.end_all("admin")
    elif how == "time":
        clock.s += MAX_AGE.total_seconds()
    else:
        started(settings, db, clock)
    assert access.session(digest, "mlflow") is None


def test_service_stays_open_when_the_panel_starts_again(
    auth: Auth, settings: Settings, db: Database, clock: HandClock
) -> None:
    digest = session_digest(CHALLENGE, auth.grant(log_in(auth), "app", CHALLENGE))
    started(settings.model_copy(update={"password": SecretStr(PASSWORD)}), db, clock)
    assert access_list(settings, clock).session(digest, "app") is not None
