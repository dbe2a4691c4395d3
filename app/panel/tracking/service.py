"""Delivers the records of ended runs to MLflow, and keeps the alias `champion` on the model that is live.

Level-triggered: it looks which runs have left a record, which of them MLflow has, and which model is live; so nothing
depends on being told, and a panel that was killed goes on where it was. No run ever waits for it.
"""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from sqlmodel import col, select

from app.panel.db.engine import Database
from app.panel.runs.domain.state import FINAL
from app.panel.runs.domain.tables import Run
from app.panel.services import http_client
from app.panel.services.protocol import ServiceName
from app.panel.services.queries import ServicesView
from app.panel.tracking.delivery import Deliver, Delivered
from app.panel.tracking.store import TrackingStore
from pipeline.core.bundle import read_pointer
from pipeline.core.problems import BundleError, ProblemError
from pipeline.core.product import CHAMPION_ALIAS, NAME

LOG = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 2.0
CALL_S: Final = 10.0
# Runs that ended while no panel was there to see it are looked for this far back.
BACK: Final = 200
ALIAS_PATH: Final = "/api/2.0/mlflow/registered-models/alias"


class Services(Protocol):
    """What is needed of the supervisor."""

    def view(self) -> ServicesView:
        """The last look."""

    def url(self, name: ServiceName) -> str:
        """Base URL."""


class TrackingService:
    """One thread of its own. `on_delivered(run_id, mlflow_run_id)` is told of each delivery."""

    def __init__(
        self,
        *,
        db: Database,
        store: TrackingStore,
        services: Services,
        deliver: Deliver,
        runs_dir: Path,
        models_dir: Path,
        on_delivered: Callable[[str, str], None],
    ) -> None:
        self._db = db
        self._store = store
        self._services = services
        self._deliver = deliver
        self._runs_dir = runs_dir
        self._models_dir = models_dir
        self._on_delivered = on_delivered
        self._swept: int | None = None
        self._champion = ""
        self._was_up = False
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to deliver; returns at once."""
        self._thread = threading.Thread(target=self._loop, name="tracking", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Deliver no more. What is being delivered ends by itself, with the thread that started it."""
        self._end.set()

    def warning(self) -> str:
        """What a run should say about MLflow now: "" if it is up or about to be, else why its record comes later."""
        row = next(row for row in self._services.view().rows if row.name == "mlflow")
        if row.state in {"running", "starting"}:
            return ""
        problem = ProblemError(
            "MLF-01",
            f"MLflow is not there: {row.state}.",
            why=row.detail,
            fix="The record of this run is kept and delivered later.",
        )
        return str(problem)

    def n_open(self) -> int:
        """How many records are still to be delivered."""
        return self._store.n_open()

    def step(self) -> None:
        """Look once: note new records, deliver what is due, set the alias."""
        self._note()
        is_up = any(row.name == "mlflow" and row.state == "running" for row in self._services.view().rows)
        if is_up and not self._was_up and self._store.n_open():
            self._store.now_due()
        self._was_up = is_up
        if not is_up:
            return
        while not self._end.is_set() and self._deliver_next():
            pass
        self._set_champion()

    def _loop(self) -> None:
        while not self._end.wait(LOOK_EVERY_S):
            try:
                self.step()
            except ProblemError as problem:
                LOG.warning("action=tracking %s", problem)
            except Exception:
                # Whatever it was, no record would ever be delivered any more.
                LOG.exception("Tracking goes on after an unexpected error.")

    def _note(self) -> None:
        """Find runs that ended since the last look and left a record."""
        with self._db.read() as session:
            if self._swept is None:
                newest = session.exec(select(Run.number).order_by(col(Run.number).desc()).limit(1)).first()
                self._swept = max(0, (newest or 0) - BACK)
            query = select(Run.id, Run.number, Run.state).where(col(Run.number) > self._swept)
            runs = list(session.exec(query.order_by(col(Run.number)).limit(BACK)))
        is_gapless = True
        for run_id, number, state in runs:
            if state not in FINAL:
                is_gapless = False
                continue
            folder = self._runs_dir / run_id / "record"
            if (folder / "record.json").exists():
                self._store.add(run_id, folder)
            if is_gapless:
                self._swept = number

    def _deliver_next(self) -> bool:
        """Deliver one record that is due. Returns whether to go on with the next."""
        record = self._store.due()
        if record is None:
            return False
        folder = Path(record.folder)
        if not (folder / "record.json").exists():
            problem = ProblemError("MLF-02", "The record was deleted before MLflow had it.", why=f"{folder} is gone.")
            self._store.failed(record.run_id, str(problem), is_final=True)
            return True
        result = self._deliver(folder, self._services.url("mlflow"))
        if isinstance(result, Delivered):
            self._store.delivered(record.run_id, result.mlflow_run_id, result.mlflow_version)
            self._on_delivered(record.run_id, result.mlflow_run_id)
            return True
        LOG.warning("action=deliver run=%s %s", record.run_id, result.error)
        self._store.failed(record.run_id, result.error, is_final=result.is_final)
        return result.is_final

    def _set_champion(self) -> None:
        """Point the alias at the model that is live, if that is not where it points."""
        try:
            pointer = read_pointer(self._models_dir)
        except BundleError:
            return
        record = self._store.find(pointer.bundle) if pointer is not None else None
        if record is None or record.mlflow_version is None or record.mlflow_version == self._champion:
            return
        body = {"name": NAME, "alias": CHAMPION_ALIAS, "version": record.mlflow_version}
        if http_client.post(self._services.url("mlflow") + ALIAS_PATH, body, CALL_S).is_ok:
            self._champion = record.mlflow_version
