"""The table of the audit. Rows are added by `record.py` alone; the database refuses to change or delete them."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON
from sqlmodel import Field, SQLModel


class AuditEntry(SQLModel, table=True):
    """One thing that somebody did or tried.

    `action` is `noun.verb`, such as `run.start`; `target` is what it was done to. `before` and `after` are what changed,
    without secrets. `outcome` is `ok`, `failed` or `refused`.
    """

    __tablename__ = "audit_entry"

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(index=True)
    actor: str
    via: str
    address: str
    action: str
    target: str
    before: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    after: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    outcome: str
    detail: str
