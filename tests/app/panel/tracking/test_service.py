"""Records reach MLflow when it is there, wait when it is not, and the alias follows what is live."""

import http.server
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.panel.db.engine import Database
from app.panel.db.migrate import open_database
from app.panel.runs.domain.state import RunState
from app.panel.runs.domain.tables import Run
from app.panel.services.queries import ServiceRow, ServicesView, ShownState
from app.panel.tracking.delivery import Delivered, NotDelivered
from app.panel.tracking.service import TrackingService
from app.panel.tracking.store import TrackingStore, delay_s
from pipeline.core.bundle import Pointer, write_pointer

START = datetime(2026, 1, 2, tzinfo=UTC)


@dataclass
class FakeClock:
    """A clock that stands still until it is moved."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - START).total_seconds()


@dataclass
class MLflow:
    """What the supervisor says of MLflow, and what deliveries find there."""

    state: ShownState = "running"
    port: int = 0
    answer: Delivered | NotDelivered = field(default_factory=lambda: Delivered("mlflow-run", "7"))
    delivered: list[str] = field(default_factory=list)
    aliases: list[dict[str, Any]] = field(default_factory=list)

    def view(self) -> ServicesView:
        row = ServiceRow(
            name="mlflow",
            title="MLflow",
            state=self.state,
            detail="It is away.",
            url="",
            port=self.port,
            started_at=None,
            uptime_s=None,
            memory_bytes=None,
            memory_limit_bytes=None,
            cpu_percent=None,
            n_processes=None,
            n_restarts=0,
            next_try_at=None,
            problem=None,
            last_lines=(),
        )
        return ServicesView("process", False, (row,))

    def url(self, _: str) -> str:
        return f"http://127.0.0.1:{self.port}"

    def deliver(self, folder: Path, tracking_uri: str) -> Delivered | NotDelivered:
        assert tracking_uri == self.url("mlflow")
        self.delivered.append(folder.parent.name)
        return self.answer


class World:
    def __init__(self, folder: Path, mlflow: MLflow) -> None:
        self.folder = folder
        self.mlflow = mlflow
        self.clock = FakeClock()
        self.db: Database = open_database(folder / "panel.db", START)
        self.store = TrackingStore(self.db, self.clock)
        self.told: list[tuple[str, str]] = []
        (folder / "models").mkdir()
        self.begin()

    def begin(self) -> None:
        """A new panel process over the same files."""
        self.service = TrackingService(
            db=self.db,
            store=self.store,
            services=self.mlflow,
            deliver=self.mlflow.deliver,
            runs_dir=self.folder / "runs",
            models_dir=self.folder / "models",
            on_delivered=lambda run_id, mlflow_run_id: self.told.append((run_id, mlflow_run_id)),
        )

    def run(self, number: int, state: RunState = RunState.SUCCEEDED, *, has_record: bool = True) -> None:
        with self.db.write() as session:
            session.add(
                Run(
                    id=f"run-{number}",
                    number=number,
                    state=state,
                    from_stage="set_seed",
                    params={},
                    requested_by="",
                    created_at=START,
                )
            )
        if has_record:
            record = self.folder / "runs" / f"run-{number}" / "record"
            record.mkdir(parents=True)
            (record / "record.json").write_text("{}")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    mlflow = MLflow()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            mlflow.aliases.append({"path": self.path, **body})
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    mlflow.port = server.server_port
    made = World(tmp_path, mlflow)
    yield made
    made.db.close()
    server.shutdown()
    server.server_close()


def test_each_record_is_delivered_once_when_its_run_has_ended(world: World) -> None:
    world.run(1)
    world.run(2, RunState.FAILED, has_record=False)
    world.run(3, RunState.RUNNING)
    world.run(4, RunState.SKIPPED, has_record=False)
    world.service.step()
    world.service.step()
    assert world.mlflow.delivered == ["run-1"]
    assert world.told == [("run-1", "mlflow-run")]
    with world.db.write() as session:
        run = session.get_one(Run, "run-3")
        run.state = RunState.SUCCEEDED
        session.add(run)
    world.service.step()
    assert world.mlflow.delivered == ["run-1", "run-3"]
    world.begin()
    world.service.step()
    assert world.mlflow.delivered == ["run-1", "run-3"]


def test_records_wait_without_a_try_when_mlflow_is_down_and_go_when_it_is_back(world: World) -> None:
    world.mlflow.state = "crash-looping"
    for number in (1, 2, 3):
        world.run(number)
    world.service.step()
    assert (world.mlflow.delivered, world.service.n_open()) == ([], 3)
    assert world.service.warning().startswith("MLF-01")
    world.begin()
    world.mlflow.state = "running"
    world.service.step()
    assert (world.mlflow.delivered, world.service.n_open()) == (["run-1", "run-2", "run-3"], 0)
    assert world.service.warning() == ""


def test_it_is_tried_again_ever_later_when_mlflow_refuses(world: World) -> None:
    world.run(1)
    world.mlflow.answer = NotDelivered("500")
    for _ in range(3):
        world.service.step()
    assert len(world.mlflow.delivered) == 1
    world.clock.at += timedelta(seconds=delay_s(1))
    world.service.step()
    assert len(world.mlflow.delivered) == 2
    world.clock.at += timedelta(seconds=delay_s(2) - 1)
    world.service.step()
    assert len(world.mlflow.delivered) == 2
    world.mlflow.answer = Delivered("late", "1")
    world.clock.at += timedelta(seconds=1)
    world.service.step()
    assert (world.told, world.service.n_open()) == ([("run-1", "late")], 0)
    assert [delay_s(n) for n in (1, 2, 3, 7, 99)] == [10, 20, 40, 600, 600]


def test_delivery_goes_on_when_something_unforeseen_happened(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.panel.tracking.service.LOOK_EVERY_S", 0.01)
    world.run(1)
    look, failed = world.mlflow.view, threading.Event()

    def view() -> ServicesView:
        if not failed.is_set():
            failed.set()
            raise OSError("too many open files")
        return look()

    monkeypatch.setattr(world.mlflow, "view", view)
    world.service.start()
    deadline = time.monotonic() + 10
    while not world.told and time.monotonic() < deadline:
        time.sleep(0.01)
    world.service.close()
    assert failed.is_set()
    assert world.told == [("run-1", "mlflow-run")]


def test_it_is_not_tried_again_when_the_record_is_gone(world: World) -> None:
    world.run(1)
    world.mlflow.answer = NotDelivered("busy")
    world.service.step()
    (world.folder / "runs" / "run-1" / "record" / "record.json").unlink()
    world.clock.at += timedelta(hours=1)
    world.service.step()
    record = world.store.find("run-1")
    assert record is not None
    assert (record.gave_up, record.error[:6], world.service.n_open()) == (True, "MLF-02", 0)
    assert len(world.mlflow.delivered) == 1


def test_the_alias_follows_when_another_version_is_live(world: World) -> None:
    world.run(1)
    world.service.step()
    assert world.mlflow.aliases == []
    write_pointer(world.folder / "models", Pointer(version=1, bundle="run-1", sha256="x"))
    world.service.step()
    world.service.step()
    alias = {"name": "automated-ml-pipeline", "alias": "champion"}
    path = "/api/2.0/mlflow/registered-models/alias"
    assert world.mlflow.aliases == [{"path": path, **alias, "version": "7"}]
    world.run(2)
    world.mlflow.answer = Delivered("second", "8")
    write_pointer(world.folder / "models", Pointer(version=2, bundle="run-2", sha256="x"))
    world.service.step()
    write_pointer(world.folder / "models", Pointer(version=1, bundle="run-1", sha256="x"))
    world.service.step()
    assert [body["version"] for body in world.mlflow.aliases] == ["7", "8", "7"]
