"""Users: their roles and passwords, and that nobody can lock out whoever starts the panel."""

import pytest
from pydantic import SecretStr

from app.panel.audit.actor import Actor, acting
from app.panel.auth.service import Auth
from app.panel.auth.sessions import Browser
from app.panel.db.engine import Database
from app.panel.settings import Settings
from pipeline.core.problems import ProblemError
from tests.app.panel.auth.conftest import HandClock, audited, started

STRONG = "pigeon-lamp-91-violet"


@pytest.mark.parametrize("name", ["", "Anna", "a b", "ä", "x" * 65, "../etc"])
def test_name_is_refused_when_it_is_none(auth: Auth, name: str) -> None:
    with pytest.raises(ProblemError) as caught:
        auth.users.create(name, "viewer", STRONG)
    assert caught.value.id == "AUTH-09"


def test_user_has_role_and_password_after_a_restart_too(
    auth: Auth, settings: Settings, db: Database, clock: HandClock
) -> None:
    auth.users.create("anna", "operator", STRONG)
    for each in (auth, started(settings, db, clock)):
        assert each.users.role("anna") == "operator"
        assert each.users.is_password("anna", STRONG)
        assert not each.users.is_password("anna", "pigeon-lamp-91-green")
    stored = b"".join(path.read_bytes() for path in settings.state_dir.glob("panel.db*"))
    assert b"$argon2id$" in stored
    assert STRONG.encode() not in stored


def test_second_user_is_refused_when_the_name_is_taken_or_the_role_or_password_is_none(auth: Auth) -> None:
    auth.users.create("anna", "viewer", None)
    for name, role, password in (("anna", "viewer", STRONG), ("bob", "root", STRONG), ("bob", "viewer", "password1")):
        with pytest.raises(ProblemError) as caught:
            auth.users.create(name, role, password)
        assert caught.value.id in {"AUTH-09", "AUTH-05"}
    assert [user.name for user in auth.users.all()] == ["admin", "anna"]


@pytest.mark.parametrize("how", ["disable", "role", "password", "remove"])
def test_sessions_and_tokens_end_with_the_rights_that_they_were_made_with(auth: Auth, how: str) -> None:
    auth.users.create("anna", "operator", STRONG)
    with auth._db.write() as tx:
        token = auth.sessions.create(tx, "anna", "password", Browser("here"))
    auth.sessions.keep(token)
    assert auth.sessions.find(token) is not None
    if how == "disable":
        auth.users.change("anna", is_disabled=True)
        assert (auth.users.role("anna"), auth.users.is_password("anna", STRONG)) == (None, False)
    elif how == "role":
        auth.users.change("anna", role="viewer")
        assert auth.users.role("anna") == "viewer"
    elif how == "password":
        auth.users.set_password("anna", "violet-91-lamp-pigeon")
        assert not auth.users.is_password("anna", STRONG)
    else:
        auth.users.remove("anna")
        assert auth.users.role("anna") is None
    assert auth.sessions.find(token) is None


def test_admin_stays_whatever_a_page_says(auth: Auth) -> None:
    for change in (
        lambda: auth.users.change("admin", role="viewer"),
        lambda: auth.users.change("admin", is_disabled=True),
        lambda: auth.users.remove("admin"),
    ):
        with pytest.raises(ProblemError) as caught:
            change()
        assert caught.value.id == "AUTH-09"
    assert auth.users.role("admin") == "admin"


def test_password_of_the_setting_is_changed_only_there(settings: Settings, db: Database, clock: HandClock) -> None:
    auth = started(settings.model_copy(update={"password": SecretStr(STRONG)}), db, clock)
    with pytest.raises(ProblemError) as caught:
        auth.users.set_password("admin", "violet-91-lamp-pigeon")
    assert caught.value.id == "AUTH-09"


def test_unknown_user_is_reported_when_changed(auth: Auth) -> None:
    with pytest.raises(ProblemError) as caught:
        auth.users.change("nobody", role="viewer")
    assert caught.value.id == "AUTH-10"


def test_each_change_is_in_the_audit_without_a_password(auth: Auth, db: Database) -> None:
    with acting(Actor("admin", "link")):
        auth.users.create("anna", "viewer", STRONG)
        auth.users.change("anna", role="operator")
        auth.users.set_password("anna", "violet-91-lamp-pigeon")
        auth.users.remove("anna")
    rows = audited(db)
    assert [row.action for row in rows] == ["user.create", "user.change", "user.set_password", "user.remove"]
    assert (rows[1].before, rows[1].after) == (
        {"role": "viewer", "is_disabled": False},
        {"role": "operator", "is_disabled": False},
    )
    assert "lamp" not in str([row.model_dump() for row in rows])
