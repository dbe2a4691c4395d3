"""The tables of users, sessions and tokens. No secret is in them that opens anything: only digests and hashes."""

from datetime import datetime
from typing import Final

from sqlmodel import Field, SQLModel

from app.panel.db.rebuild import FLEETING

# Somebody may have logged out since an older copy was made.
NOT_FROM_A_COPY: Final = {"info": {FLEETING: True}}


class User(SQLModel, table=True):
    """A person. `password_hash` None: there is no password to log in with.

    `is_password_set_by_setting`: it comes from PANEL_PASSWORD, and is changed there.
    """

    __tablename__ = "user"

    name: str = Field(primary_key=True)
    role: str
    password_hash: str | None = None
    is_password_set_by_setting: bool = False
    created_at: datetime
    last_login_at: datetime | None = None
    disabled_at: datetime | None = None


class LoginSession(SQLModel, table=True):
    """A browser in which somebody has logged in. `digest` is the SHA-256 of the token in its cookie.

    `is_long`: they chose to stay logged in.
    """

    __tablename__ = "login_session"
    __table_args__ = NOT_FROM_A_COPY

    digest: str = Field(primary_key=True)
    user: str = Field(index=True)
    via: str
    created_at: datetime
    seen_at: datetime
    is_long: bool
    address: str
    agent: str


class ServiceSession(SQLModel, table=True):
    """The same browser at one of the services: it ends with the session `parent` that it was opened from."""

    __tablename__ = "service_session"
    __table_args__ = NOT_FROM_A_COPY

    digest: str = Field(primary_key=True)
    parent: str = Field(index=True)
    service: str
    user: str = Field(index=True)
    created_at: datetime
    expires_at: datetime


class KnownDevice(SQLModel, table=True):
    """A browser in which a user has logged in with a password. `digest` is the SHA-256 of the token in its cookie.

    It opens nothing: a password from it is only checked without waiting for other clients' guesses.
    """

    __tablename__ = "known_device"
    __table_args__ = NOT_FROM_A_COPY

    digest: str = Field(primary_key=True)
    user: str = Field(index=True)
    seen_at: datetime


class ApiToken(SQLModel, table=True):
    """A bearer token that somebody has made. `digest` is its SHA-256; the token itself was shown once."""

    __tablename__ = "api_token"

    id: int | None = Field(default=None, primary_key=True)
    name: str
    scope: str
    digest: str = Field(unique=True)
    owner: str = Field(index=True)
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
