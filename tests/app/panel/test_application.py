"""What changes something is in the audit, whoever does it and however: a verb that nobody has decided on fails here."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from fastapi.routing import APIRoute
from httpx2 import Response
from sqlmodel import col, select
from starlette.testclient import TestClient

from app.panel.accounts.service import ID_LENGTH
from app.panel.application import API, PAGES
from app.panel.audit.tables import AuditEntry
from app.panel.auth.roles import required_role
from app.panel.auth.service import Auth
from app.panel.auth.sessions import Browser
from app.panel.backups.recoveries import Recoveries
from app.panel.backups.recovery import Report
from app.panel.backups.service import BackupService
from app.panel.clock import SystemClock
from app.panel.db.engine import Database
from app.panel.main import create_app
from app.panel.registry.queries import ModelQueries
from app.panel.registry.service import ModelService
from app.panel.runs.domain.state import Trigger
from app.panel.runs.domain.store import NewRun, RunStore
from app.panel.runs.web import form
from app.panel.services.prediction_client import PredictionClient
from app.panel.services.process.runtime import ProcessRuntime
from app.panel.services.protocol import ServiceSpec
from app.panel.services.supervisor import ServiceSupervisor
from app.panel.settings import Settings
from app.panel.startup import CLI_TOKEN_FILE
from app.web.access import digest
from app.web.app_objects import provided_object
from app.web.identity import Identity, Role
from app.web.security import SAFE_METHODS
from bench.empty_deploy import live_at_once
from bench.empty_stages import EMPTY_STAGES
from bench.wait import until
from pipeline.core.params import Params
from pipeline.core.problems import ProblemError
from tests.app.panel.registry.conftest import RegistryHarness
from tests.fakes.api import FakeApi

pytestmark = pytest.mark.process
STRONG: Final = "pigeon-lamp-91-violet"
JSON: Final = {"Content-Type": "application/json"}


class StillRuntime(ProcessRuntime):
    """A runtime in which nothing runs, and is restarted by saying so."""

    def restart(self, spec: ServiceSpec) -> None:
        pass


class Panel:
    """A panel with stages that do nothing and two published models. Acts as the person who is logged in."""

    def __init__(self, folder: Path) -> None:
        raw = folder / "data" / "raw"
        raw.mkdir(parents=True)
        (raw / "data.csv").write_text("x,y\n1,0\n")
        self.settings = Settings(
            data_dir=folder / "data", state_dir=folder, models_dir=folder / "models", retries=0, runtime="process"
        )
        registry = RegistryHarness(folder)
        for run in (1, 2):
            registry.deploy(run)
        registry.close()
        self.app = create_app(self.settings, stages=EMPTY_STAGES, deploy=live_at_once)
        self.auth = provided_object(self.app, Auth)
        self.db = provided_object(self.app, Database)
        self.api = FakeApi(self.settings.models_dir)
        self.models = ModelService(
            models_dir=self.settings.models_dir,
            db=self.db,
            queries=ModelQueries(self.db, self.settings.models_dir),
            services=self.api,
            clock=SystemClock(),
            watch_s=0.0,
            runs_dir=self.settings.runs_dir,
            client=PredictionClient(self.api),
        )
        self.app.state.provided[ModelService] = self.models
        services = provided_object(self.app, ServiceSupervisor)
        services._runtime = StillRuntime(services.runtime.placement, folder / "services")
        (folder / CLI_TOKEN_FILE).write_text("token-of-the-terminal-of-this-panel")
        origin = "http://127.0.0.1:8080"
        self.client = TestClient(self.app, base_url=origin, follow_redirects=False, headers={"Origin": origin})

    def close(self) -> None:
        self.models.close()
        self.api.close()

    def log_in(self, user: str = "admin") -> str:
        """Return the cookie of a new session of `user`."""
        with self.db.write() as tx:
            token = self.auth.sessions.create(tx, user, "link", Browser("here"))
        self.auth.sessions.keep(token)
        return token

    def rows(self, after: int = 0) -> list[AuditEntry]:
        with self.db.read() as session:
            newer = select(AuditEntry).where(col(AuditEntry.id) > after)
            return list(session.exec(newer.order_by(col(AuditEntry.id))).all())

    def last_row(self) -> int:
        """Return the number of the newest row, 0 without any."""
        return max((row.id or 0 for row in self.rows()), default=0)

    def run(self) -> str:
        """Return the number of a run that has ended."""
        number = str(self.client.post("/api/v1/runs").json()["number"])
        return self.ended(number)

    def ended(self, number: str) -> str:
        state = f"/api/v1/runs/{number}"
        until(
            lambda: self.client.get(state).json()["finished_at"] is not None, within_s=60.0, what=f"run {number} ends"
        )
        return number

    def active(self) -> str:
        """Return the number of a run that waits: nobody has told the executor of it."""
        new = NewRun(trigger=Trigger.MANUAL, from_stage="set_seed", params={}, requested_by="web")
        return str(RunStore(self.db, SystemClock()).create(new)[0].number)


@dataclass(frozen=True)
class Verb:
    """A verb: what comes before it and returns what fills the `{}` of its path, and what it leaves in the audit."""

    action: str
    target: str
    before: Callable[[Panel], object] = lambda _: ""
    form: dict[str, Any] | None = None
    body: dict[str, Any] | None = None
    is_upload: bool = False


def _resumed(panel: Panel) -> None:
    panel.client.put("/api/v1/schedule", json={"paused": False})


def _paused(panel: Panel) -> None:
    panel.client.put("/api/v1/schedule", json={"paused": True})


def _version_1_is_live(panel: Panel) -> int:
    if panel.client.get("/api/v1/models").json()["live"] != 1:
        panel.client.post("/api/v1/models/1/promote")
    return 2


def _version_2_is_live(panel: Panel) -> None:
    if panel.client.get("/api/v1/models").json()["live"] != 2:
        panel.client.post("/api/v1/models/2/promote")


def _table(panel: Panel) -> str:
    (panel.settings.data_dir / "raw" / "more.csv").write_text("x,y\n1,0\n")
    return "more.csv"


def _no_table(panel: Panel) -> None:
    (panel.settings.data_dir / "raw" / "new.csv").unlink(missing_ok=True)


def _new_interval(panel: Panel) -> None:
    panel.client.put("/api/v1/schedule", json={"interval_s": 777})


def run_form() -> dict[str, str]:
    fields = [field for group in form.build(Params().model_dump(mode="json")) for field in group.fields]
    return {field.name: field.text for field in fields if field.text}


def _vera(panel: Panel) -> str:
    """Return the name of a viewer who is there."""
    if panel.auth.users.role("vera") is None:
        with suppress(ProblemError):
            panel.auth.users.remove("vera")
        panel.auth.users.create("vera", "viewer", None)
    return "vera"


def _vera_is_disabled(panel: Panel) -> str:
    panel.auth.users.change(_vera(panel), is_disabled=True)
    return "vera"


def _nobody(panel: Panel) -> None:
    with suppress(ProblemError):
        panel.auth.users.remove("nora")


def _session(panel: Panel) -> str:
    """Return the id of another session of admin."""
    return digest(panel.log_in())[:ID_LENGTH]


def _token(panel: Panel) -> int:
    return panel.auth.tokens.create(Identity("admin", "admin", "link"), "old", "read", None).row.id or 0


def _recovery(panel: Panel) -> int:
    """Return the number of a recovery that nobody has confirmed."""
    recoveries = provided_object(panel.app, Recoveries)
    recoveries.add("The file was gone.", Report(runs=(1,)))
    return recoveries.newest()[0].id or 0


PASSWORD: Final = {"password": "violet-91-lamp-pigeon"}
NEW_USER: Final = {"name": "nora", "role": "viewer", "password": STRONG}
START: Final = Verb("run.start", r"run \d+", form={})
RERUN: Final = Verb("run.rerun", r"run \d+", Panel.run, form={})
CANCEL: Final = Verb("run.cancel", r"run \d+", Panel.active, form={})
PROMOTE: Final = Verb("model.promote", "version 2", _version_1_is_live, form={})
ROLLBACK: Final = Verb("model.rollback", "version 1", _version_2_is_live, form={"to": "1"})
RESTART: Final = Verb("service.restart", "api", lambda _: "api", form={})
UPLOAD: Final = Verb("dataset.upload", "new.csv", _no_table, is_upload=True)
REMOVE: Final = Verb("dataset.remove", "more.csv", _table, form={})

BACK_UP: Final = Verb("backup.create", r"automated-ml-pipeline-\d{8}-\d{6}\.tar\.gz", form={})

VERBS: Final = {
    "POST /backups": BACK_UP,
    "POST /api/v1/backups": BACK_UP,
    "POST /backups/recoveries/{id}/confirm": Verb("database.confirm", "restored .*", _recovery, form={}),
    "POST /runs": START,
    "POST /runs/new": Verb("run.start", r"run \d+", form=run_form()),
    "POST /runs/{run_id}/cancel": CANCEL,
    "POST /runs/{run_id}/rerun": RERUN,
    "POST /api/v1/runs": START,
    "POST /api/v1/runs/{run_id}/cancel": CANCEL,
    "POST /api/v1/runs/{run_id}/rerun": RERUN,
    "POST /schedule/pause": Verb("schedule.pause", "schedule", _resumed, form={}),
    "POST /schedule/resume": Verb("schedule.resume", "schedule", _paused, form={}),
    "POST /schedule/interval": Verb("schedule.change", "schedule", _new_interval, form={"number": "5", "unit": "min"}),
    "PUT /api/v1/schedule": Verb("schedule.change", "schedule", _new_interval, body={"interval_s": 300}),
    "POST /models/rollback": ROLLBACK,
    "POST /models/{version}/promote": PROMOTE,
    "POST /api/v1/models/rollback": Verb("model.rollback", "version 1", _version_2_is_live, body={"to": 1}),
    "POST /api/v1/models/{version}/promote": PROMOTE,
    "POST /services/{name}/restart": RESTART,
    "POST /api/v1/services/{name}/restart": RESTART,
    "POST /data": UPLOAD,
    "POST /data/run": Verb("run.start", r"run \d+", form={"target": ""}),
    "POST /api/v1/datasets": UPLOAD,
    "POST /data/{name}/remove": REMOVE,
    "DELETE /api/v1/datasets/{name}": REMOVE,
    "POST /access/password": Verb("user.set_password", "admin", form=PASSWORD),
    "POST /access/sessions/end-others": Verb("session.end_all", "admin", _session, form={}),
    "POST /access/sessions/{id}/end": Verb("session.end", "admin [0-9a-f]{8}", _session, form={}),
    "DELETE /api/v1/sessions/{id}": Verb("session.end", "admin [0-9a-f]{8}", _session),
    "POST /access/tokens": Verb("token.create", r"\d+ new", form={"name": "new", "scope": "read", "days": "30"}),
    "POST /api/v1/tokens": Verb("token.create", r"\d+ new", body={"name": "new", "scope": "read"}),
    "POST /access/tokens/mlflow": Verb("token.create", r"\d+ MLflow", form={}),
    "POST /access/tokens/{id}/revoke": Verb("token.revoke", r"\d+ old", _token, form={}),
    "DELETE /api/v1/tokens/{id}": Verb("token.revoke", r"\d+ old", _token),
    "POST /access/users": Verb("user.create", "nora", _nobody, form=NEW_USER),
    "POST /api/v1/users": Verb("user.create", "nora", _nobody, body=NEW_USER),
    "POST /access/users/{name}/role": Verb("user.change", "vera", _vera, form={"role": "operator"}),
    "POST /access/users/{name}/disable": Verb("user.change", "vera", _vera, form={}),
    "POST /access/users/{name}/enable": Verb("user.change", "vera", _vera_is_disabled, form={}),
    "POST /access/users/{name}/password": Verb("user.set_password", "vera", _vera, form=PASSWORD),
    "POST /access/users/{name}/remove": Verb("user.remove", "vera", _vera, form={}),
    "PATCH /api/v1/users/{name}": Verb("user.change", "vera", _vera, body={"role": "operator"}),
    "PUT /api/v1/users/{name}/password": Verb("user.set_password", "vera", _vera, body=PASSWORD),
    "DELETE /api/v1/users/{name}": Verb("user.remove", "vera", _vera),
    "POST /login": Verb("session.login", "admin", lambda panel: panel.auth.users.set_password("admin", STRONG)),
    "POST /logout": Verb("session.logout", "admin [0-9a-f]{8}", lambda panel: panel.client.cookies.clear(), form={}),
}
# These have a form, and change nothing.
LOOKS: Final = ("POST /data/preview",)
# Who acts is nobody yet, or has to enter a password: these are for browsers only.
FOR_BROWSERS: Final = re.compile("POST /(login|logout|access/password)")


def unsafe_routes() -> list[str]:
    routes = [route for router in (*PAGES, *API) for route in router.routes if isinstance(route, APIRoute)]
    return [f"{method} {route.path}" for route in routes for method in (route.methods or set()) - SAFE_METHODS]


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    panel = Panel(tmp_path_factory.mktemp("panel"))
    with panel.client:
        yield panel
    panel.close()


def act(panel: Panel, route: str, headers: dict[str, str]) -> tuple[Verb, AuditEntry]:
    """Perform the verb of a route, and return it with the only row that it has added."""
    method, path = route.split()
    verb = VERBS[route]
    panel.client.headers["Authorization"] = "Bearer token-of-the-terminal-of-this-panel"
    filled = re.sub(r"\{\w+\}", str(verb.before(panel)), path)
    del panel.client.headers["Authorization"]
    last = panel.last_row()
    response = request(panel, verb, method, filled, headers)
    assert response.status_code < 400, response.text
    if verb.action in {"run.start", "run.rerun"}:
        panel.client.headers["Authorization"] = "Bearer token-of-the-terminal-of-this-panel"
        newest = panel.client.get("/api/v1/runs").json()["runs"][0]["number"]
        panel.ended(newest)
        del panel.client.headers["Authorization"]
    if verb.action == "backup.create":
        backups = provided_object(panel.app, BackupService)
        until(lambda: backups.state().running_since is None, within_s=60.0, what="the backup is made")
    (row,) = panel.rows(after=last)
    return verb, row


def request(panel: Panel, verb: Verb, method: str, path: str, headers: dict[str, str]) -> Response:
    if verb.is_upload:
        return panel.client.request(method, path, files={"file": ("new.csv", b"x,y\n1,0\n")}, headers=headers)
    if path.startswith("/api/"):
        body = None if method == "DELETE" else verb.body
        return panel.client.request(method, path, json=body, headers=headers)
    return panel.client.request(method, path, data=verb.form, headers=headers)


def cookie(panel: Panel, user: str = "admin") -> dict[str, str]:
    return {"Cookie": f"panel_session_8080={panel.log_in(user)}"}


def test_each_route_that_changes_something_has_been_decided_on() -> None:
    assert sorted(unsafe_routes()) == sorted([*VERBS, *LOOKS])


@pytest.mark.parametrize("route", LOOKS)
def test_no_row_is_left_when_somebody_only_looks(panel: Panel, route: str) -> None:
    last = panel.last_row()
    method, path = route.split()
    assert panel.client.request(method, path, data={"target": ""}, headers=cookie(panel)).status_code == 200
    assert list(panel.rows(after=last)) == []


@pytest.mark.parametrize("route", sorted(VERBS))
def test_one_row_says_who_did_what_when_somebody_does_it_in_a_browser(panel: Panel, route: str) -> None:
    headers = cookie(panel)
    if route == "POST /login":
        panel.auth.users.set_password("admin", STRONG)
        last = panel.last_row()
        form = {"name": "admin", "password": STRONG}
        assert panel.client.post("/login", data=form, headers={"Cookie": ""}).status_code == 303
        panel.client.cookies.clear()
        (row,) = panel.rows(after=last)
        verb = VERBS[route]
        assert row.via == "password"
    else:
        verb, row = act(panel, route, headers)
        assert row.via == "link"
    assert (row.actor, row.action, row.outcome) == ("admin", verb.action, "ok")
    assert re.fullmatch(verb.target, row.target)


@pytest.mark.parametrize("route", sorted(route for route in VERBS if not FOR_BROWSERS.fullmatch(route)))
def test_one_row_names_the_token_when_it_is_done_with_one(panel: Panel, route: str) -> None:
    token = panel.auth.tokens.create(Identity("admin", "admin", "link"), "cron", "admin", None)
    verb, row = act(panel, route, {"Authorization": f"Bearer {token.text}"})
    assert (row.actor, row.via, row.action, row.outcome) == ("admin/cron", "token", verb.action, "ok")


def test_row_names_the_terminal_when_it_is_done_there(panel: Panel) -> None:
    _, row = act(panel, "POST /api/v1/runs", {"Authorization": "Bearer token-of-the-terminal-of-this-panel"})
    assert (row.actor, row.via) == ("terminal", "token")
    assert row.after is not None
    assert row.after["from_stage"] == "set_seed"


def test_row_says_what_was_before_when_something_was(panel: Panel) -> None:
    _, row = act(panel, "PUT /api/v1/schedule", cookie(panel))
    assert row.before is not None
    assert row.after is not None
    assert (row.before["interval_s"], row.after["interval_s"]) == (777, 300)
    _, row = act(panel, "POST /api/v1/models/{version}/promote", cookie(panel))
    assert (row.before, row.after) == ({"live": 1}, {"live": 2})


PAGES_WITH_FORMS: Final = (
    "/",
    "/runs",
    "/runs/new",
    "/runs/{run}",
    "/data",
    "/models",
    "/drift",
    "/services",
    "/services/api",
    "/services/mlflow",
    "/access",
    "/access/users",
    "/access/audit",
)


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
def test_no_page_draws_a_button_that_the_role_does_not_allow(panel: Panel, role: Role) -> None:
    panel.auth.users.change(_vera(panel), role=role)
    act(panel, "POST /api/v1/models/{version}/promote", cookie(panel))
    act(panel, "POST /schedule/pause", cookie(panel))
    _, started = act(panel, "POST /runs", cookie(panel))
    headers = {**cookie(panel, "vera"), "Accept": "text/html"}
    actions: set[str] = set()
    for path in PAGES_WITH_FORMS:
        page = panel.client.get(path.format(run=started.target.removeprefix("run ")), headers=headers)
        assert page.status_code == (200 if Identity("vera", role, "link").may(required_role("GET", path)) else 403)
        forms = [re.split("[\\s>]action=", form)[1] for form in re.findall("<form[^>]*method=.post.[^>]*>", page.text)]
        actions |= {form.split('"')[1] for form in forms}
    assert {
        action for action in actions if not Identity("vera", role, "link").may(required_role("POST", action))
    } == set()
    expected = {"/logout", "/access/password", "/access/tokens", "/access/tokens/mlflow"}
    assert expected <= actions
    assert (role == "viewer") == (actions - {"/logout"} == {each for each in actions if each.startswith("/access/")})


def test_row_says_that_it_was_refused_when_the_role_does_not_allow_it(panel: Panel) -> None:
    panel.auth.users.change(_vera(panel), role="viewer")
    last = panel.last_row()
    for _ in range(100):
        response = panel.client.post("/runs/1/cancel", headers=cookie(panel, "vera"))
    assert response.json()["id"] == "AUTH-08"
    rows = panel.rows(after=last)
    assert (rows[0].actor, rows[0].action, rows[0].target) == ("vera", "request.post", "/runs/1/cancel")
    assert (rows[0].outcome, rows[0].detail) == ("refused", "This needs the role operator.")
    assert len(rows) <= 20  # nobody fills the disk with them
