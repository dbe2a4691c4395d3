"""Records what is not done in the database: a service that was restarted, a table that was added."""

from collections.abc import Mapping
from typing import Any

from sqlmodel import Session

from app.panel.audit.actor import PANEL, current_actor
from app.panel.audit.record import Outcome, record
from app.panel.clock import Clock
from app.panel.db.engine import Database


class AuditLog:
    """Adds rows in transactions of their own, right after the effect. Thread-safe."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def note(
        self,
        action: str,
        target: str,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        outcome: Outcome = "ok",
        detail: str = "",
    ) -> None:
        """Record what the current actor has done: now, or as soon as the database can be written. Never raises: it is done."""
        actor = current_actor()
        if actor == PANEL:
            return
        now = self._clock.now()

        def write(tx: Session) -> None:
            record(tx, now, action, target, before=before, after=after, outcome=outcome, detail=detail, actor=actor)

        self._db.write_now_or_later(write, f"{action} target={target!r} by={actor!r} outcome={outcome}")
