"""The table of sessions."""

from datetime import datetime

from sqlmodel import Field, SQLModel


class LoginSession(SQLModel, table=True):
    """A browser that has logged in. `digest` is keyed by the password, so a new password ends every session."""

    __tablename__ = "login_session"

    digest: str = Field(primary_key=True)
    created_at: datetime
    seen_at: datetime
