"""Records what is not done in the database: a service that was restarted, a table that was added."""

import logging
from collections.abc import Mapping
from typing import Any

from app.panel.audit.actor import PANEL, current_actor
from app.panel.audit.record import Outcome, record
from app.panel.clock import Clock
from app.panel.db.engine import Database
from pipeline.core.problems import ProblemError

log = logging.getLogger(__name__)


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
        """Record what the current actor has done. Never raises: it is done, and the panel's own log says so instead."""
        actor = current_actor()
        if actor == PANEL:
            return
        try:
            with self._db.write() as tx:
                record(
                    tx, self._clock.now(), action, target, before=before, after=after, outcome=outcome, detail=detail
                )
        except ProblemError as problem:
            log.error("action=%s target=%r by=%r outcome=%s audit=%s", action, target, actor, outcome, problem)
