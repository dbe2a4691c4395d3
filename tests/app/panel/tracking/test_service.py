"""Records reach MLflow when it is there, wait when it is not, and the alias follows what is live."""

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.panel.db import patience
from app.panel.db.engine import Database
from app.panel.db.migrate import open_database
from app.panel.db.problems import DatabaseLockedError
from app.panel.runs.domain.state import RunState
from app.panel.runs.domain.tables import Run
from app.panel.services.views import ServiceRow, ServicesView, ShownState
from app.panel.tracking.delivery import Delivered, NotDelivered
from app.panel.tracking.service import TrackingService
from app.panel.tracking.store import TrackingStore, delay_s
from bench.wait import until
from pipeline.core.pointer import Pointer, write_pointer

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
    """A double of MLflow: the state that the supervisor reports, and the deliveries that arrived."""

    state: ShownState = "running"
    port: int = 0
    answer: Delivered | NotDelivered = field(default_factory=lambda: Delivered("mlflow-run", "7"))
    delivered: list[str] = field(default_factory=list)
    aliases: list[dict[str, Any]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=lambda: {"7": "mlflow-run", "8": "second"})  # and their runs

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

    def deliver(self, folder: Path, tracking_uri: str, token: str) -> Delivered | NotDelivered:
        assert (tracking_uri, token) == (self.url("mlflow"), "the-panel-s")
        self.delivered.append(folder.parent.name)
        return self.answer


class TrackingHarness:
    def __init__(self, folder: Path, mlflow: MLflow) -> None:
        self.folder = folder
        self.mlflow = mlflow
        self.clock = FakeClock()
        self.db: Database = open_database(folder / "panel.db", START)
        self.store = TrackingStore(self.db, self.clock)
        self.delivered_runs: list[tuple[str, str]] = []
        (folder / "models").mkdir()
        self.begin()

    def begin(self) -> None:
        """Start a new panel process over the same files."""
        self.service = TrackingService(
            db=self.db,
            store=self.store,
            services=self.mlflow,
            deliver=self.mlflow.deliver,
            runs_dir=self.folder / "runs",
            models_dir=self.folder / "models",
            on_delivered=lambda run_id, mlflow_run_id: self.delivered_runs.append((run_id, mlflow_run_id)),
            token="the-panel-s",
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
def harness(tmp_path: Path) -> Iterator[TrackingHarness]:
    mlflow = MLflow()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            version = self.path.rpartition("version=")[2]
            content = json.dumps({"model_version": {"run_id": mlflow.versions[version]}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

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
    harness = TrackingHarness(tmp_path, mlflow)
    yield harness
    harness.db.close()
    server.shutdown()
    server.server_close()


def test_each_record_is_delivered_once_when_its_run_has_ended(harness: TrackingHarness) -> None:
    harness.run(1)
    harness.run(2, RunState.FAILED, has_record=False)
    harness.run(3, RunState.RUNNING)
    harness.run(4, RunState.SKIPPED, has_record=False)
    harness.service.run_once()
    harness.service.run_once()
    assert harness.mlflow.delivered == ["run-1"]
    assert harness.delivered_runs == [("run-1", "mlflow-run")]
    with harness.db.write() as session:
        run = session.get_one(Run, "run-3")
        run.state = RunState.SUCCEEDED
        session.add(run)
    harness.service.run_once()
    assert harness.mlflow.delivered == ["run-1", "run-3"]
    harness.begin()
    harness.service.run_once()
    assert harness.mlflow.delivered == ["run-1", "run-3"]


def test_records_wait_without_a_try_when_mlflow_is_down_and_go_when_it_is_back(harness: TrackingHarness) -> None:
    harness.mlflow.state = "crash-looping"
    for number in (1, 2, 3):
        harness.run(number)
    harness.service.run_once()
    assert (harness.mlflow.delivered, harness.store.n_open()) == ([], 3)
    assert harness.service.warning().startswith("MLF-01")
    harness.begin()
    harness.mlflow.state = "running"
    harness.service.run_once()
    assert (harness.mlflow.delivered, harness.store.n_open()) == (["run-1", "run-2", "run-3"], 0)
    assert harness.service.warning() == ""


def test_it_is_tried_again_ever_later_when_mlflow_refuses(harness: TrackingHarness) -> None:
    harness.run(1)
    harness.mlflow.answer = NotDelivered("500")
    for _ in range(3):
        harness.service.run_once()
    assert len(harness.mlflow.delivered) == 1
    harness.clock.at += timedelta(seconds=delay_s(1))
    harness.service.run_once()
    assert len(harness.mlflow.delivered) == 2
    harness.clock.at += timedelta(seconds=delay_s(2) - 1)
    harness.service.run_once()
    assert len(harness.mlflow.delivered) == 2
    harness.mlflow.answer = Delivered("late", "1")
    harness.clock.at += timedelta(seconds=1)
    harness.service.run_once()
    assert (harness.delivered_runs, harness.store.n_open()) == ([("run-1", "late")], 0)
    assert [delay_s(n) for n in (1, 2, 3, 7, 99)] == [10, 20, 40, 600, 600]


def test_runs_carry_the_reason_when_mlflow_refuses_a_record(harness: TrackingHarness) -> None:
    harness.run(1)
    assert harness.service.warning() == ""
    harness.mlflow.answer = NotDelivered("MLF-12: MLflow names an experiment that is not its own.")
    harness.service.run_once()
    assert harness.service.warning() == "MLF-12: MLflow names an experiment that is not its own."
    harness.mlflow.answer = Delivered("late", "1")
    harness.clock.at += timedelta(seconds=delay_s(1))
    harness.service.run_once()
    assert harness.service.warning() == ""


def test_delivery_goes_on_when_something_unforeseen_happened(
    harness: TrackingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.panel.tracking.service.CHECK_INTERVAL_S", 0.01)
    harness.run(1)
    look, failed = harness.mlflow.view, threading.Event()

    def view() -> ServicesView:
        if not failed.is_set():
            failed.set()
            raise OSError("too many open files")
        return look()

    monkeypatch.setattr(harness.mlflow, "view", view)
    harness.service.start()
    until(lambda: harness.delivered_runs, what="the run is delivered")
    harness.service.close()
    assert failed.is_set()
    assert harness.delivered_runs == [("run-1", "mlflow-run")]


def test_it_is_not_tried_again_when_the_record_is_gone(harness: TrackingHarness) -> None:
    harness.run(1)
    harness.mlflow.answer = NotDelivered("busy")
    harness.service.run_once()
    (harness.folder / "runs" / "run-1" / "record" / "record.json").unlink()
    harness.clock.at += timedelta(hours=1)
    harness.service.run_once()
    record = harness.store.find("run-1")
    assert record is not None
    assert (record.gave_up, record.error[:6], harness.store.n_open()) == (True, "MLF-02", 0)
    assert len(harness.mlflow.delivered) == 1


def test_the_alias_follows_when_another_version_is_live(harness: TrackingHarness) -> None:
    harness.run(1)
    harness.service.run_once()
    assert harness.mlflow.aliases == []
    write_pointer(harness.folder / "models", Pointer(version=1, bundle="run-1", sha256="x"))
    harness.service.run_once()
    harness.service.run_once()
    alias = {"name": "automated-ml-pipeline", "alias": "champion"}
    path = "/api/2.0/mlflow/registered-models/alias"
    assert harness.mlflow.aliases == [{"path": path, **alias, "version": "7"}]
    harness.run(2)
    harness.mlflow.answer = Delivered("second", "8")
    write_pointer(harness.folder / "models", Pointer(version=2, bundle="run-2", sha256="x"))
    harness.service.run_once()
    write_pointer(harness.folder / "models", Pointer(version=1, bundle="run-1", sha256="x"))
    harness.service.run_once()
    assert [body["version"] for body in harness.mlflow.aliases] == ["7", "8", "7"]


def test_the_alias_is_not_given_away_when_mlflow_gave_the_number_to_another_run(harness: TrackingHarness) -> None:
    harness.run(1)
    harness.service.run_once()
    harness.mlflow.versions["7"] = "somebody-else-s"
    write_pointer(harness.folder / "models", Pointer(version=1, bundle="run-1", sha256="x"))
    harness.service.run_once()
    assert harness.mlflow.aliases == []


class Killed(BaseException):
    """Ends the panel in the middle of its work."""


def test_all_that_was_delivered_is_noted_when_the_panel_is_killed_in_a_long_queue(harness: TrackingHarness) -> None:
    for number in range(1, 6):
        harness.run(number)
    write_pointer(harness.folder / "models", Pointer(version=2, bundle="run-2", sha256="x"))
    deliver = harness.mlflow.deliver

    def deliver_three(folder: Path, tracking_uri: str, token: str) -> Delivered | NotDelivered:
        if len(harness.mlflow.delivered) == 3:
            raise Killed
        return deliver(folder, tracking_uri, token)

    harness.mlflow.deliver = deliver_three  # type: ignore[method-assign]
    harness.begin()
    with pytest.raises(Killed):
        harness.service.run_once()
    assert [harness.store.is_done(f"run-{n}") for n in range(1, 6)] == [True, True, True, False, False]
    assert [run_id for run_id, _ in harness.delivered_runs] == ["run-1", "run-2", "run-3"]
    assert [body["version"] for body in harness.mlflow.aliases] == ["7"]  # the live model is one of them
    harness.mlflow.deliver = deliver  # type: ignore[method-assign]
    harness.begin()
    harness.service.run_once()
    assert harness.mlflow.delivered == [f"run-{n}" for n in range(1, 6)]


def test_the_run_gets_its_id_in_mlflow_when_that_could_not_be_written_at_once(
    harness: TrackingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "RETRY_S", 0.001)
    harness.run(1)
    locked = [DatabaseLockedError(5), DatabaseLockedError(5)]
    mark, noted = harness.store.mark_delivered, harness.delivered_runs

    def mark_or_fail(run_id: str, mlflow_run_id: str, mlflow_version: str | None) -> None:
        if locked:
            raise locked.pop()
        mark(run_id, mlflow_run_id, mlflow_version)

    monkeypatch.setattr(harness.store, "mark_delivered", mark_or_fail)
    harness.service.run_once()
    assert harness.store.is_done("run-1")
    assert {*noted} == {("run-1", "mlflow-run")}
    assert harness.mlflow.delivered == ["run-1"]  # not sent again
