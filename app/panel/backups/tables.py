"""The table of recoveries. Written by `recoveries.py` alone."""

from datetime import datetime
from typing import Any

from sqlmodel import JSON, Column, Field, SQLModel


class Recovery(SQLModel, table=True):
    """One start of the panel at which something was restored. `report` has the members of `recovery.Report`.

    `seen_at` None: nobody has confirmed yet that they know of it, and every page says so.
    """

    id: int | None = Field(default=None, primary_key=True)
    at: datetime
    cause: str
    report: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    seen_at: datetime | None = None
    seen_by: str | None = None
