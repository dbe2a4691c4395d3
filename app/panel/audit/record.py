"""Adds rows to the audit, in the transaction of what they describe: neither is there without the other."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

from sqlmodel import Session

from app.panel.audit.actor import PANEL, Actor, current_actor
from app.panel.audit.tables import AuditEntry

Outcome = Literal["ok", "failed", "refused"]
MAX_TEXT: Final = 500  # of what a stranger can send


def record(
    tx: Session,
    at: datetime,
    action: str,
    target: str = "",
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    outcome: Outcome = "ok",
    detail: str = "",
    actor: Actor | None = None,
    by_panel: bool = False,
) -> None:
    """Add a row for what the current actor, or `actor`, does in the transaction `tx`.

    What the panel does by itself is recorded with `by_panel` only: runs and deployments have their own history.
    """
    who = actor or current_actor()
    if who == PANEL and not by_panel:
        return
    tx.add(
        AuditEntry(
            at=at,
            actor=who.name[:MAX_TEXT],
            via=who.via,
            address=who.address[:MAX_TEXT],
            action=action,
            target=target[:MAX_TEXT],
            before=None if before is None else dict(before),
            after=None if after is None else dict(after),
            outcome=outcome,
            detail=detail[:MAX_TEXT],
        )
    )
