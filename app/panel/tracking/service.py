"""Delivers the records of finished runs to MLflow, and keeps the alias `champion` on the live model.

Level-triggered: each round compares the records that runs have left with what MLflow has, and the alias with the live
model. So no notification can be missed, and a panel that was killed continues where it was. No run ever waits for it.
"""

import json
import logging
import ssl
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlencode

from sqlmodel import col, select

from app.panel.db.engine import Database
from app.panel.db.patience import patiently
from app.panel.runs.domain.state import FINAL
from app.panel.runs.domain.tables import Run
from app.panel.services import http_client
from app.panel.services.protocol import ServiceName
from app.panel.services.views import ServicesView
from app.panel.tracking.delivery import Deliver, Delivered
from app.panel.tracking.problems import RecordDeletedError, TrackingUnavailableError
from app.panel.tracking.store import TrackingStore
from pipeline.core.pointer import find_pointer
from pipeline.core.problems import ProblemError
from pipeline.core.product import CHAMPION_ALIAS, NAME
from pipeline.core.stage import RECORD_DIR, RECORD_FILE

log = logging.getLogger(__name__)

CHECK_INTERVAL_S: Final = 2.0
TIMEOUT_S: Final = 10.0
# Runs that finished while no panel was running are searched for this far back.
LOOKBACK_RUNS: Final = 200
ALIAS_PATH: Final = "/api/2.0/mlflow/registered-models/alias"
VERSION_PATH: Final = "/api/2.0/mlflow/model-versions/get"


class Services(Protocol):
    """The supervisor, as far as tracking needs it."""

    def view(self) -> ServicesView:
        """Return the services as last observed."""

    def url(self, name: ServiceName) -> str:
        """Return the base URL."""


class TrackingService:
    """Works in a thread of its own. `on_delivered(run_id, mlflow_run_id)` is called after each delivery.

    `token` is what MLflow knows the panel by.
    """

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
        token: str,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._tls = tls
        self._db = db
        self._store = store
        self._services = services
        self._deliver = deliver
        self._runs_dir = runs_dir
        self._models_dir = models_dir
        self._on_delivered = on_delivered
        self._token = token
        self._last_number: int | None = None
        self._champion = ""
        self._was_running = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start to deliver; returns at once."""
        self._thread = threading.Thread(target=self._loop, name="tracking", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop delivering. A delivery in progress ends with the panel."""
        self._stop.set()

    def warning(self) -> str:
        """Return the warning that a run should carry now: MLflow is down, or refuses records; "" if neither."""
        row = next(row for row in self._services.view().rows if row.name == "mlflow")
        if row.state in {"running", "starting"}:
            return self._store.refusal()
        return str(TrackingUnavailableError(row.state, row.detail))

    def run_once(self) -> None:
        """Register new records, deliver those that are due, set the alias."""
        self._register_records()
        is_running = any(row.name == "mlflow" and row.state == "running" for row in self._services.view().rows)
        if is_running and not self._was_running and self._store.n_open():
            self._store.make_due()
        self._was_running = is_running
        if not is_running:
            return
        while not self._stop.is_set() and self._deliver_next():
            self._set_champion()  # a long queue takes hours
        self._set_champion()

    def _loop(self) -> None:
        while not self._stop.wait(CHECK_INTERVAL_S):
            try:
                self.run_once()
            except ProblemError as problem:
                log.warning("action=tracking problem=%s", problem)
            except Exception:
                # Otherwise no record would ever be delivered again.
                log.exception("action=tracking")

    def _register_records(self) -> None:
        """Register the records of runs that finished since the last round."""
        with self._db.read() as session:
            if self._last_number is None:
                newest = session.exec(select(Run.number).order_by(col(Run.number).desc()).limit(1)).first()
                self._last_number = max(0, (newest or 0) - LOOKBACK_RUNS)
            query = select(Run.id, Run.number, Run.state).where(col(Run.number) > self._last_number)
            runs = list(session.exec(query.order_by(col(Run.number)).limit(LOOKBACK_RUNS)))
        is_gapless = True
        for run_id, number, state in runs:
            if state not in FINAL:
                is_gapless = False
                continue
            folder = self._runs_dir / run_id / RECORD_DIR
            if (folder / RECORD_FILE).exists():
                self._store.add(run_id, folder)
            if is_gapless:
                self._last_number = number

    def _deliver_next(self) -> bool:
        """Deliver one record that is due. Return True if the next one may follow."""
        record = self._store.due()
        if record is None:
            return False
        folder = Path(record.folder)
        if not (folder / RECORD_FILE).exists():
            problem = RecordDeletedError(folder)
            self._store.mark_failed(record.run_id, str(problem), is_final=True)
            return True
        result = self._deliver(folder, self._services.url("mlflow"), self._token)
        if isinstance(result, Delivered):
            patiently(partial(self._note_delivered, record.run_id, result), "note_delivered", self._stop)
            return True
        log.warning("action=deliver run=%s error=%s", record.run_id, result.error)
        mark_failed = partial(self._store.mark_failed, record.run_id, result.error, is_final=result.is_final)
        patiently(mark_failed, "note_not_delivered", self._stop)
        return result.is_final

    def _note_delivered(self, run_id: str, delivered: Delivered) -> None:
        # In this order: what is marked as delivered is never looked at again.
        self._on_delivered(run_id, delivered.mlflow_run_id)
        self._store.mark_delivered(run_id, delivered.mlflow_run_id, delivered.mlflow_version)

    def _set_champion(self) -> None:
        """Point the alias at the live model, unless it does already."""
        pointer = find_pointer(self._models_dir)
        record = self._store.find(pointer.bundle) if pointer is not None else None
        if record is None or record.mlflow_version is None or record.mlflow_version == self._champion:
            return
        if not self._is_version_of(record.mlflow_version, record.mlflow_run_id):
            return
        body = {"name": NAME, "alias": CHAMPION_ALIAS, "version": record.mlflow_version}
        url = self._services.url("mlflow") + ALIAS_PATH
        if http_client.post(url, body, TIMEOUT_S, bearer=self._token, tls=self._tls).is_ok:
            self._champion = record.mlflow_version

    def _is_version_of(self, version: str, mlflow_run_id: str | None) -> bool:
        """Return whether a model version in MLflow is the one that was delivered: MLflow gives deleted numbers again."""
        query = urlencode({"name": NAME, "version": version})
        url = f"{self._services.url('mlflow')}{VERSION_PATH}?{query}"
        headers = http_client.bearer_header(self._token)
        response = http_client.call("GET", url, None, headers, TIMEOUT_S, tls=self._tls)
        try:
            found = json.loads(response.body)["model_version"]["run_id"]
        except (ValueError, KeyError, TypeError):
            return False
        return response.is_ok and found == mlflow_run_id
