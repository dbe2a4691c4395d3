"""API tokens: shown once, limited in what they may do and for how long, and revoked at once."""

from datetime import timedelta

import pytest

from app.panel.audit.actor import Actor, acting
from app.panel.auth.service import Auth
from app.panel.auth.tokens import MAX_AGE, PREFIX
from app.panel.db.engine import Database
from app.panel.settings import Settings
from app.web.access import FILE, AccessList
from app.web.identity import TOKEN_SCOPES, Identity
from pipeline.core.problems import ProblemError
from tests.app.panel.auth.conftest import HandClock, application, audited, started

ADMIN = Identity("admin", "admin", "link")


def status(auth: Auth, settings: Settings, clock: HandClock, token: str, method: str = "GET") -> int:
    client = application(auth, settings, clock)
    return client.request(method, "/api/v1/thing", headers={"Authorization": f"Bearer {token}"}).status_code


def test_token_opens_as_far_as_its_scope_when_it_was_made(auth: Auth, settings: Settings, clock: HandClock) -> None:
    allowed = {}
    for scope in ("read", "run", "predict", "mlflow", "admin"):
        text = auth.tokens.create(ADMIN, "ci", scope, None).text
        assert text.startswith(PREFIX)
        allowed[scope] = [status(auth, settings, clock, text, method) for method in ("GET", "POST")]
    assert allowed == {
        "read": [200, 403],
        "run": [200, 200],
        "predict": [403, 403],
        "mlflow": [403, 403],
        "admin": [200, 200],
    }


def test_token_works_after_a_restart_and_is_nowhere_in_the_files(
    auth: Auth, settings: Settings, db: Database, clock: HandClock
) -> None:
    text = auth.tokens.create(ADMIN, "ci", "read", None).text
    assert status(started(settings, db, clock), settings, clock, text) == 200
    for path in settings.state_dir.rglob("*"):
        assert not path.is_file() or text.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("how", ["revoke", "expire", "disable its owner"])
def test_token_is_refused_here_and_by_services_when_it_is_over(
    auth: Auth, settings: Settings, clock: HandClock, how: str
) -> None:
    auth.users.create("anna", "operator", None)
    made = auth.tokens.create(Identity("anna", "operator", "password"), "ci", "run", clock.now() + timedelta(hours=1))
    access = AccessList(settings.access_dir / FILE, now=lambda: clock.now().timestamp())
    assert status(auth, settings, clock, made.text) == 200
    assert access.token(made.text, "app") is not None
    if how == "revoke":
        auth.tokens.revoke(made.row.id or 0)
    elif how == "expire":
        clock.s += 3601
    else:
        auth.users.change("anna", is_disabled=True)
    assert status(auth, settings, clock, made.text) == 401
    assert access.token(made.text, "app") is None


def test_token_has_no_more_rights_than_its_owner_when_those_become_fewer(
    auth: Auth, settings: Settings, clock: HandClock
) -> None:
    auth.users.create("anna", "operator", None)
    text = auth.tokens.create(Identity("anna", "operator", "password"), "ci", "run", None).text
    auth.users.change("anna", role="viewer")
    assert [status(auth, settings, clock, text, method) for method in ("GET", "POST")] == [200, 403]


@pytest.mark.parametrize(
    ("role", "name", "scope", "age"),
    [
        ("viewer", "ci", "run", None),
        ("operator", "ci", "admin", None),
        ("admin", "", "read", None),
        ("admin", "x" * 65, "read", None),
        ("admin", "a\nb", "read", None),
        ("admin", "ci", "everything", None),
        ("admin", "ci", "read", timedelta(0)),
        ("admin", "ci", "read", MAX_AGE + timedelta(days=1)),
    ],
)
def test_token_is_not_made_when_what_it_asks_for_is_not_allowed(
    auth: Auth, clock: HandClock, *, role: str, name: str, scope: str, age: timedelta | None
) -> None:
    maker = Identity("somebody", role, "password")  # type: ignore[arg-type]
    with pytest.raises(ProblemError) as caught:
        auth.tokens.create(maker, name, scope, None if age is None else clock.now() + age)
    assert caught.value.id == "AUTH-11"


def test_only_the_owner_and_an_admin_can_revoke_a_token(auth: Auth) -> None:
    made = auth.tokens.create(ADMIN, "ci", "read", None)
    with pytest.raises(ProblemError) as caught:
        auth.tokens.revoke(made.row.id or 0, owner="anna")
    assert caught.value.id == "AUTH-12"
    auth.tokens.revoke(made.row.id or 0, owner="admin")
    assert auth.tokens.all() == []


def test_use_is_noted_at_most_every_five_minutes(auth: Auth, clock: HandClock) -> None:
    made = auth.tokens.create(ADMIN, "ci", "read", None)
    auth.bearer_identity(made.text)
    first = auth.tokens.all()[0].last_used_at
    clock.s += 200
    auth.bearer_identity(made.text)
    assert auth.tokens.all()[0].last_used_at == first == clock.now() - timedelta(seconds=200)
    clock.s += 200
    auth.bearer_identity(made.text)
    assert auth.tokens.all()[0].last_used_at == clock.now()


def test_making_and_revoking_is_in_the_audit_without_the_token(auth: Auth, db: Database) -> None:
    with acting(Actor("admin", "link")):
        made = auth.tokens.create(ADMIN, "ci", "read", None)
        auth.tokens.revoke(made.row.id or 0)
    rows = audited(db)
    assert [(row.action, row.target) for row in rows] == [("token.create", "1 ci"), ("token.revoke", "1 ci")]
    assert made.text not in str([row.model_dump() for row in rows])


def test_token_is_taken_by_its_own_service_only_with_the_role_of_its_owner(
    auth: Auth, settings: Settings, clock: HandClock
) -> None:
    auth.users.create("anna", "viewer", None)
    access = AccessList(settings.access_dir / FILE, now=lambda: clock.now().timestamp())
    taken = {}
    for scope in TOKEN_SCOPES:
        made = auth.tokens.create(ADMIN, "ci", scope, None)
        taken[scope] = [service for service in ("api", "app", "mlflow") if access.token(made.text, service)]
    assert taken == {"read": ["app"], "run": ["app"], "predict": ["api"], "mlflow": ["mlflow"], "admin": ["app"]}
    own = auth.tokens.create(Identity("anna", "viewer", "password"), "notebook", "mlflow", None)
    entry = access.token(own.text, "mlflow")
    assert entry is not None
    assert (entry.role, entry.is_service) == ("viewer", False)
    services = [service for service in ("api", "app", "mlflow") if access.token(auth.service_token, service)]
    assert services == ["mlflow"]
