"""The only writer of the records for MLflow."""

from datetime import timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.panel.clock import Clock
from app.panel.db.engine import Database
from app.panel.tracking.tables import TrackingRecord

FIRST_DELAY_S: Final = 10.0
MAX_DELAY_S: Final = 600.0


def delay_s(n_tries: int) -> float:
    """Return the seconds until the next try after `n_tries`: 10, 20, 40 ... 600. Pure."""
    return min(MAX_DELAY_S, FIRST_DELAY_S * 2.0 ** min(n_tries - 1, 10))


class TrackingStore:
    """Sync and thread-safe."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def add(self, run_id: str, folder: Path) -> bool:
        """Register a record to be delivered. Return False if it was registered already."""
        with self._db.write() as session:
            if session.get(TrackingRecord, run_id) is not None:
                return False
            now = self._clock.now()
            session.add(TrackingRecord(run_id=run_id, folder=str(folder), created_at=now, next_try_at=now))
            return True

    def due(self) -> TrackingRecord | None:
        """Return the oldest record that is due, or None."""
        with self._db.read() as session:
            query = _open().where(col(TrackingRecord.next_try_at) <= self._clock.now())
            return session.exec(query.order_by(col(TrackingRecord.created_at)).limit(1)).first()

    def find(self, run_id: str) -> TrackingRecord | None:
        """Return the record of a run, or None."""
        with self._db.read() as session:
            return session.get(TrackingRecord, run_id)

    def is_done(self, run_id: str) -> bool:
        """Return True if the record of a run is delivered or never will be."""
        record = self.find(run_id)
        return record is not None and (record.delivered_at is not None or record.gave_up)

    def n_open(self) -> int:
        """Return the number of records still to be delivered."""
        with self._db.read() as session:
            return session.exec(select(func.count()).select_from(_open().subquery())).one()

    def refusal(self) -> str:
        """Return why the newest record that MLflow has refused is not delivered yet; "" if there is none."""
        with self._db.read() as session:
            query = _open().where(col(TrackingRecord.n_tries) > 0).order_by(col(TrackingRecord.created_at).desc())
            row = session.exec(query.limit(1)).first()
            return row.error if row is not None else ""

    def mark_delivered(self, run_id: str, mlflow_run_id: str, mlflow_version: str | None) -> None:
        """Record that MLflow has it."""
        with self._db.write() as session:
            row = session.get_one(TrackingRecord, run_id)
            row.delivered_at = self._clock.now()
            row.mlflow_run_id = mlflow_run_id
            row.mlflow_version = mlflow_version
            row.n_tries += 1
            row.error = ""
            session.add(row)

    def mark_failed(self, run_id: str, error: str, *, is_final: bool = False) -> None:
        """Record a failure; the next try is later, or never if nothing is left to deliver."""
        with self._db.write() as session:
            row = session.get_one(TrackingRecord, run_id)
            row.n_tries += 1
            row.error = error[:1000]
            row.gave_up = is_final
            row.next_try_at = self._clock.now() + timedelta(seconds=delay_s(row.n_tries))
            session.add(row)

    def make_due(self) -> None:
        """Make all records due now: MLflow is running again."""
        with self._db.write() as session:
            for row in session.exec(_open()):
                row.next_try_at = self._clock.now()
                session.add(row)


def _open() -> SelectOfScalar[TrackingRecord]:
    return select(TrackingRecord).where(
        col(TrackingRecord.delivered_at).is_(None), col(TrackingRecord.gave_up).is_(False)
    )
