"""One's own page: the password, sessions and tokens of oneself, and of nobody else."""

import re

import pytest
from starlette.testclient import TestClient

from app.web.identity import Identity
from tests.app.panel.accounts.conftest import STRONG, Access

NEW = "violet-91-lamp-pigeon"


def session_ids(client: TestClient) -> list[str]:
    return [row["id"] for row in client.get("/api/v1/sessions").json()["sessions"]]


def test_page_says_who_one_is_and_what_belongs_to_one(access: Access) -> None:
    access.auth.tokens.create(Identity("vera", "viewer", "password"), "of vera", "read", None)
    access.auth.tokens.create(Identity("anna", "operator", "password"), "of anna", "run", None)
    page = access.as_user("anna").get("/access").text
    assert "Firefox on Linux" in page
    assert "203.0.113.5" in page
    assert "of anna" in page
    assert "of vera" not in page
    assert 'href="/access/users"' not in page
    assert "Logged in with a password." in page
    assert 'href="/access/users"' in access.as_user("admin").get("/access").text


def test_session_that_changes_the_password_stays_and_others_end(access: Access) -> None:
    here, there = access.as_user("anna"), access.as_user("anna")
    answer = here.post("/access/password", data={"current": STRONG, "password": NEW})
    assert answer.status_code == 303
    assert here.get("/access").status_code == 200
    assert there.get("/access").headers["location"].startswith("/login")
    assert access.auth.users.is_password("anna", NEW)


@pytest.mark.parametrize(
    ("form", "id"),
    [
        ({"current": "wrong", "password": NEW}, "AUTH-03"),
        ({"password": NEW}, "AUTH-03"),
        ({"current": STRONG, "password": "password1"}, "AUTH-05"),
    ],
)
def test_password_stays_when_the_current_one_is_wrong_or_the_new_one_weak(
    access: Access, form: dict[str, str], id: str
) -> None:
    answer = access.as_user("anna").post("/access/password", data=form)
    assert answer.status_code >= 400
    assert id in answer.text
    assert access.auth.users.is_password("anna", STRONG)


def test_current_password_is_not_asked_for_when_the_printed_link_logged_in(access: Access) -> None:
    access.auth.users.set_password("admin", STRONG)
    answer = access.as_user("admin", "link").post("/access/password", data={"password": NEW})
    assert answer.status_code == 303
    assert access.as_user("admin").post("/access/password", data={"password": STRONG}).status_code == 401


def test_sessions_of_others_stay_when_somebody_who_is_no_admin_wants_to_end_them(access: Access) -> None:
    admin, anna = access.as_user("admin"), access.as_user("anna")
    vera, other = access.as_user("vera"), access.as_user("vera")
    for each in session_ids(anna):
        assert vera.post(f"/access/sessions/{each}/end").status_code == 404
        assert vera.delete(f"/api/v1/sessions/{each}").status_code == 404
    assert anna.get("/access").status_code == 200
    mine = session_ids(vera)
    assert len(mine) == 2
    assert vera.post("/access/sessions/end-others").status_code == 303
    assert other.get("/access").status_code == 303
    (each,) = session_ids(anna)
    assert (
        admin.post(f"/access/sessions/{each}/end", data={"back": "/access/users"}).headers["location"]
        == "/access/users"
    )
    assert anna.get("/access").status_code == 303


def test_token_is_shown_once_and_kept_nowhere(access: Access) -> None:
    anna = access.as_user("anna")
    answer = anna.post("/access/tokens", data={"name": "cron", "scope": "run", "days": "30"})
    (text,) = set(re.findall(r"mlp_[\w-]+", answer.text))
    assert answer.headers["cache-control"] == "no-store"
    assert text not in anna.get("/access").text
    access.db.close()
    stored = b"".join(path.read_bytes() for path in access.settings.state_dir.rglob("*") if path.is_file())
    assert text.encode() not in stored
    assert access.with_token(text).get("/api/v1/me").json() == {
        "name": "anna/cron",
        "role": "operator",
        "via": "token",
        "user": "anna",
    }


@pytest.mark.parametrize(("days", "age_days"), [("30", 30), ("365", 365), ("never", None)])
def test_token_expires_when_it_was_said_to(access: Access, days: str, age_days: int | None) -> None:
    access.as_user("anna").post("/access/tokens", data={"name": "cron", "scope": "read", "days": days})
    (row,) = access.auth.tokens.all("anna")
    age = None if row.expires_at is None else (row.expires_at - row.created_at).days
    assert age == age_days


@pytest.mark.parametrize(
    "form",
    [{"name": "x", "scope": "admin"}, {"name": " ", "scope": "read"}, {"name": "x", "scope": "read", "days": "x"}],
)
def test_token_is_refused_when_its_scope_is_above_the_role_or_something_is_missing(
    access: Access, form: dict[str, str]
) -> None:
    answer = access.as_user("anna").post("/access/tokens", data=form)
    assert answer.status_code == 422
    assert "AUTH-11" in answer.text
    assert access.auth.tokens.all() == []


def test_tokens_of_others_stay_when_somebody_who_is_no_admin_wants_to_revoke_them(access: Access) -> None:
    new = access.auth.tokens.create(Identity("anna", "operator", "password"), "cron", "run", None)
    vera = access.as_user("vera")
    assert vera.post(f"/access/tokens/{new.row.id}/revoke").status_code == 404
    assert vera.delete(f"/api/v1/tokens/{new.row.id}").status_code == 404
    assert access.auth.tokens.find(new.text) is not None
    assert access.as_user("admin").post(f"/access/tokens/{new.row.id}/revoke").status_code == 303
    assert access.auth.tokens.find(new.text) is None


@pytest.mark.parametrize("user", ["anna", "vera"])
def test_lines_for_mlflow_have_a_token_for_it_alone_when_asked_for(access: Access, user: str) -> None:
    page = access.as_user(user).post("/access/tokens/mlflow").text
    match = re.search(r"export MLFLOW_TRACKING_URI=(\S+)\nexport MLFLOW_TRACKING_TOKEN=(mlp_[\w-]+)", page)
    assert match
    assert match[1] == "http://localhost:5000"
    row = access.auth.tokens.find(match[2])
    assert row is not None
    assert (row.name, row.scope, row.owner) == ("MLflow", "mlflow", user)


def test_token_can_neither_make_others_nor_change_accounts_when_it_is_no_admins(access: Access) -> None:
    new = access.auth.tokens.create(Identity("anna", "operator", "password"), "leaked", "run", None)
    anna = access.as_user("anna")
    script = access.with_token(new.text)
    for answer in (
        script.post("/api/v1/tokens", json={"name": "more", "scope": "run", "days": None}),
        script.post("/access/tokens", data={"name": "more", "scope": "run"}),
        script.post("/access/tokens/mlflow"),
        script.post("/access/password", data={"password": NEW}),
        script.post("/access/sessions/end-others"),
        script.delete(f"/api/v1/tokens/{new.row.id}"),
        *(script.delete(f"/api/v1/sessions/{each}") for each in session_ids(anna)),
    ):
        assert (answer.status_code, answer.json()["id"]) == (403, "AUTH-08")
    assert anna.get("/access").status_code == 200
    assert len(access.auth.tokens.all()) == 1
