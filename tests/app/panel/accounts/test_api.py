"""Access as JSON: the same rules as on the pages."""

from starlette.testclient import TestClient

from app.web.identity import Identity
from tests.app.panel.accounts.conftest import STRONG, Access


def admin_script(access: Access) -> TestClient:
    return access.with_token(access.auth.tokens.create(Identity("admin", "admin", "link"), "all", "admin", None).text)


def test_users_are_managed_when_an_admin_does(access: Access) -> None:
    script = admin_script(access)
    created = script.post("/api/v1/users", json={"name": "nora", "role": "viewer", "password": STRONG})
    assert created.status_code == 201
    assert created.json()["has_password"] is True
    assert "password_hash" not in created.text
    assert script.patch("/api/v1/users/nora", json={"role": "admin"}).json()["role"] == "admin"
    assert script.patch("/api/v1/users/nora", json={"is_disabled": True}).json()["is_disabled"] is True
    assert script.put("/api/v1/users/nora/password", json={"password": "violet-91-lamp-pigeon"}).status_code == 204
    assert [user["name"] for user in script.get("/api/v1/users").json()["users"]] == ["admin", "anna", "nora", "vera"]
    assert script.delete("/api/v1/users/nora").status_code == 204
    assert script.delete("/api/v1/users/nora").json()["id"] == "AUTH-10"


def test_users_and_audit_are_refused_when_somebody_is_no_admin(access: Access) -> None:
    anna = access.as_user("anna")
    for method, path in (
        ("GET", "users"),
        ("POST", "users"),
        ("PATCH", "users/vera"),
        ("PUT", "users/vera/password"),
        ("DELETE", "users/vera"),
        ("GET", "audit"),
        ("GET", "login-link"),
    ):
        answer = anna.request(method, f"/api/v1/{path}", json={})
        assert (answer.status_code, answer.json()["id"]) == (403, "AUTH-08")


def test_link_logs_in_when_an_admin_asks_for_it(access: Access) -> None:
    shown = admin_script(access).get("/api/v1/login-link")
    assert shown.json() == {"url": access.auth.login_url()}


def test_token_is_made_and_revoked_when_a_person_does(access: Access) -> None:
    anna = access.as_user("anna")
    made = anna.post("/api/v1/tokens", json={"name": "cron", "scope": "run", "days": None}).json()
    assert made["token"].startswith("mlp_")
    assert (made["owner"], made["expires_at"]) == ("anna", None)
    (listed,) = anna.get("/api/v1/tokens").json()["tokens"]
    assert "token" not in listed
    assert access.as_user("vera").get("/api/v1/tokens").json() == {"tokens": []}
    assert len(admin_script(access).get("/api/v1/tokens").json()["tokens"]) == 2
    assert anna.delete(f"/api/v1/tokens/{listed['id']}").status_code == 204
    assert access.with_token(made["token"]).get("/api/v1/me").status_code == 401


def test_token_belongs_to_the_admin_when_a_script_of_the_admin_makes_it(access: Access) -> None:
    made = admin_script(access).post("/api/v1/tokens", json={"name": "cron", "scope": "read"}).json()
    assert made["owner"] == "admin"
    assert access.with_token(made["token"]).get("/api/v1/me").json()["role"] == "viewer"


def test_sessions_are_those_of_all_when_an_admin_looks(access: Access) -> None:
    access.as_user("anna")
    (own,) = access.as_user("vera").get("/api/v1/sessions").json()["sessions"]
    assert (own["user"], own["is_current"], own["browser"]) == ("vera", True, "Firefox on Linux")
    sessions = admin_script(access).get("/api/v1/sessions").json()["sessions"]
    assert sorted(row["user"] for row in sessions) == ["anna", "vera"]


def test_audit_is_read_page_by_page_when_asked_so(access: Access) -> None:
    script = admin_script(access)
    for role in ("operator", "viewer", "operator"):
        script.patch("/api/v1/users/vera", json={"role": role})
    page = script.get("/api/v1/audit", params={"action": "user.change", "limit": 2}).json()
    assert [entry["after"]["role"] for entry in page["entries"]] == ["operator", "viewer"]
    assert page["entries"][0]["actor"] == "admin/all"
    rest = script.get("/api/v1/audit", params={"action": "user", "before": page["next_before"], "actor": "admin/all"})
    assert [entry["after"]["role"] for entry in rest.json()["entries"]] == ["operator"]
    assert rest.json()["next_before"] is None
    assert script.get("/api/v1/audit", params={"from_day": "2026-01-01", "limit": 1}).status_code == 200
    # Pydantic would take a number for a day since 1970.
    assert script.get("/api/v1/audit", params={"from_day": "0"}).status_code == 422


def test_a_new_user_with_an_old_name_does_not_get_the_tokens_of_the_one_who_was_removed(access: Access) -> None:
    old = access.auth.tokens.create(Identity("anna", "operator", "password"), "cron", "run", None)
    script = admin_script(access)
    script.delete("/api/v1/users/anna")
    script.post("/api/v1/users", json={"name": "anna", "role": "admin"})
    assert access.with_token(old.text).get("/api/v1/me").status_code == 401
