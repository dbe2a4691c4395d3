"""The page of all users: for admins, and what it changes holds at once."""

from tests.app.panel.accounts.conftest import STRONG, Access


def test_page_is_refused_when_somebody_is_no_admin(access: Access) -> None:
    for user in ("anna", "vera"):
        for path in ("/access/users", "/access/audit", "/access/audit/export.csv"):
            assert access.as_user(user).get(path).status_code == 403
        assert access.as_user(user).post("/access/users/vera/role", data={"role": "admin"}).status_code == 403
    assert access.auth.users.role("vera") == "viewer"


def test_user_is_created_changed_and_removed_when_an_admin_says_so(access: Access) -> None:
    admin = access.as_user("admin")
    form = {"name": "nora", "role": "viewer", "password": STRONG}
    assert admin.post("/access/users", data=form).headers["location"] == "/access/users"
    nora = access.as_user("nora")
    assert "nora" in admin.get("/access/users").text
    admin.post("/access/users/nora/role", data={"role": "operator"})
    assert (access.auth.users.role("nora"), nora.get("/access").status_code) == ("operator", 303)
    admin.post("/access/users/nora/password", data={"password": "violet-91-lamp-pigeon"})
    assert access.auth.users.is_password("nora", "violet-91-lamp-pigeon")
    admin.post("/access/users/nora/disable")
    assert access.auth.users.role("nora") is None
    admin.post("/access/users/nora/enable")
    assert access.auth.users.role("nora") == "operator"
    admin.post("/access/users/nora/remove")
    assert [user.name for user in access.auth.users.all()] == ["admin", "anna", "vera"]


def test_page_says_why_when_something_is_refused(access: Access) -> None:
    admin = access.as_user("admin")
    for path, form, problem in (
        ("", {"name": "Bob!", "role": "viewer"}, "AUTH-09"),
        ("", {"name": "terminal", "role": "viewer"}, "AUTH-09"),
        ("", {"name": "bob", "role": "viewer", "password": "password1"}, "AUTH-05"),
        ("/admin/role", {"role": "viewer"}, "AUTH-09"),
        ("/nobody/disable", {}, "AUTH-10"),
        ("/nobody/enable", {}, "AUTH-10"),
        ("/admin/remove", {}, "AUTH-09"),
        ("/anna/password", {"password": "anna"}, "AUTH-05"),
    ):
        answer = admin.post(f"/access/users{path}", data=form)
        assert answer.status_code >= 400
        assert problem in answer.text
        assert "All users" in answer.text


def test_all_sessions_and_tokens_are_listed_when_an_admin_looks(access: Access) -> None:
    anna = access.as_user("anna")
    anna.post("/access/tokens", data={"name": "notebook", "scope": "read"})
    page = access.as_user("admin").get("/access/users").text
    assert "notebook" in page
    assert "the session of anna from 203.0.113.5" in page
