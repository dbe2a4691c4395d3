"""The real services, as their specs say: each answers on its ready path, alone on its port."""

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from app.panel.clock import SystemClock
from app.panel.db.migrate import open_database
from app.panel.registry.ledger import Ledger
from app.panel.registry.queries import ModelQueries
from app.panel.registry.service import ModelService
from app.panel.registry.store import DeploymentStore
from app.panel.services import http_client
from app.panel.services.prediction_client import PredictionClient
from app.panel.services.process.runtime import ProcessRuntime
from app.panel.services.protocol import ServiceName
from app.panel.services.specs import MLFLOW_READY, DesiredServices, build, process_placement
from app.panel.services.supervisor import ServiceSupervisor
from app.panel.settings import Settings
from app.web.access import TokenAccess
from app.web.prediction_api import READINESS
from bench.bundles import make_bundle
from bench.ports import free_ports
from pipeline.core.params import Task
from pipeline.core.pointer import read_pointer
from tests.app.panel.registry.conftest import verdict_of
from tests.builders.mlflow_server import allow

pytestmark = pytest.mark.process
NEVER = threading.Event()
TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")


def _status(port: int, host: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", MLFLOW_READY, headers={"Host": host})
    status = connection.getresponse().status
    connection.close()
    return status


class RealServices:
    """`start(names)`: a supervisor of these services that answer."""

    def __init__(self, folder: Path) -> None:
        api, app, mlflow = free_ports(3)
        self.settings = Settings(
            data_dir=folder,
            state_dir=folder / "state",
            models_dir=folder / "models",
            api_port=api,
            app_port=app,
            mlflow_port=mlflow,
        )
        self.settings.models_dir.mkdir()
        self.supervisor: ServiceSupervisor | None = None

    def start(self, *names: ServiceName) -> ServiceSupervisor:
        placement = process_placement(self.settings)
        specs = {name: spec for name, spec in build(self.settings, placement, {}).items() if name in names}
        desired = DesiredServices("process", {name: spec.port for name, spec in specs.items()}, lambda _: specs)
        runtime = ProcessRuntime(placement, self.settings.state_dir / "services")
        self.supervisor = ServiceSupervisor(runtime, desired, SystemClock())
        self.supervisor.start()
        self.supervisor.wait_ready(names, 90, NEVER)
        return self.supervisor


@pytest.fixture
def services(tmp_path: Path) -> Iterator[RealServices]:
    services = RealServices(tmp_path)
    yield services
    if services.supervisor is not None:
        services.supervisor.ends_services = True
        services.supervisor.close()


def test_mlflow_is_one_process_that_knows_its_hosts_when_it_runs(services: RealServices) -> None:
    supervisor = services.start("mlflow")
    assert supervisor.view().rows[0].n_processes == 1
    url = supervisor.url("mlflow")
    assert http_client.get(url + MLFLOW_READY, 10).is_ok
    create = url + "/api/2.0/mlflow/experiments/create"
    assert http_client.post(create, {"name": "x"}, 10).status == 401
    allow(services.settings, {"t": TokenAccess("panel", ("mlflow",), "admin", is_service=True)})
    assert http_client.post(create, {"name": "x"}, 10, bearer="t").is_ok
    port = services.settings.mlflow_port
    # A name that a foreign page could point at this machine.
    assert _status(port, "evil.example") == 421
    assert _status(port, f"localhost:{port}") == 200
    leader = psutil.Process(int(supervisor.runtime.observe("mlflow").instance_id.split("-")[0]))
    assert {c.laddr.ip for c in leader.net_connections() if c.status == "LISTEN"} <= {"127.0.0.1", "::1"}
    assert (services.settings.state_dir / "mlflow" / "mlflow.db").exists()


def test_the_app_answers_when_the_api_is_away(services: RealServices) -> None:
    services.start("app")


def test_real_models_go_live_and_back_when_they_are_promoted(services: RealServices, tmp_path: Path) -> None:
    """Through the real API: versions change within two seconds, with their golden rows checked over HTTP."""
    supervisor = services.start("api")
    assert http_client.get(supervisor.url("api") + "/readyz", 5).status == 503
    db = open_database(tmp_path / "panel.db", SystemClock().now())
    models_dir = services.settings.models_dir
    queries = ModelQueries(db, models_dir)
    store = DeploymentStore(db, SystemClock(), Ledger(models_dir))
    models = ModelService(
        models_dir=models_dir,
        db=db,
        queries=queries,
        services=supervisor,
        client=PredictionClient(supervisor),
        clock=SystemClock(),
        watch_s=0.0,
        runs_dir=tmp_path / "runs",
    )
    for version, task in enumerate(TASKS, start=1):
        built = make_bundle(models_dir, task=task, version=version, live=False)
        store.record_version(built.manifest, built.pointer.bundle, verdict_of("keep"))
        row = models.promote(version, "anna")
        assert row.outcome == "done"
        assert (row.duration_s or 99) < 5
        readiness = http_client.get(supervisor.url("api") + READINESS.path, 5)
        assert READINESS.parse(readiness.body.encode()).version == version
    back = models.roll_back("anna")
    assert (back.to_version, (back.duration_s or 99) < 2) == (2, True)
    pointer = read_pointer(models_dir)
    assert pointer is not None
    assert pointer.version == 2
    models.close()
    db.close()
