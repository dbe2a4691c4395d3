"""The users: who they are, what they may do, whether a password is theirs."""

import re
import threading
from collections.abc import Callable
from typing import Final, cast

from sqlalchemy import update
from sqlmodel import Session, col, select

from app.panel.audit.record import record
from app.panel.auth.passwords import hash_password, verify_password
from app.panel.auth.problems import InvalidUserError, UserNotFoundError
from app.panel.auth.secrets import ADMIN, check_password
from app.panel.auth.tables import ApiToken, User
from app.panel.clock import Clock
from app.panel.db.engine import Database
from app.web.identity import ROLES, Role

NAME: Final = re.compile(r"[a-z0-9._@-]{1,64}")
RESERVED: Final = frozenset({"panel", "terminal"})  # the audit has them for what no person does


class Users:
    """Thread-safe; users are read from memory.

    `on_change` is called with the name after a change that ends sessions, and with the digest of one that stays, or "".
    """

    def __init__(self, db: Database, clock: Clock, on_change: Callable[[str, str], None]) -> None:
        self._db = db
        self._clock = clock
        self._on_change = on_change
        self._lock = threading.Lock()
        self._users: dict[str, User] = {}

    def load(self, admin_password: str | None) -> None:
        """Read the users, and make `admin` the one that the settings describe. Called once, after migrations.

        A password of the settings that has changed, or is not set any more, ends the sessions of `admin`. Raises
        WeakPasswordError for one that is new and easily guessed.
        """
        with self._db.read() as session:
            users = {user.name: user for user in session.exec(select(User)).all()}
        admin = users.get(ADMIN) or User(name=ADMIN, role="admin", created_at=self._clock.now())
        is_changed = ADMIN not in users
        if admin_password is not None:
            is_set = admin.is_password_set_by_setting and verify_password(admin_password, admin.password_hash)
            if not is_set:
                check_password(admin_password)
                admin.password_hash, admin.is_password_set_by_setting = hash_password(admin_password), True
                is_changed = True
        elif admin.is_password_set_by_setting:
            admin.password_hash, admin.is_password_set_by_setting = None, False
            is_changed = True
        if is_changed or admin.role != "admin" or admin.disabled_at is not None:
            # Whoever starts the panel is its admin: nobody can lock them out from a page.
            admin.role, admin.disabled_at = "admin", None
            with self._db.write() as tx:
                tx.merge(admin)
        users[ADMIN] = admin
        with self._lock:
            self._users = users
        if is_changed:
            self._on_change(ADMIN, "")

    def all(self) -> list[User]:
        """Return all users by name."""
        with self._lock:
            return [self._users[name] for name in sorted(self._users)]

    def role(self, name: str) -> Role | None:
        """Return what a user may do; None for one who does not exist or is disabled."""
        with self._lock:
            user = self._users.get(name)
        return cast("Role", user.role) if user is not None and user.disabled_at is None else None

    def exists(self, name: str) -> bool:
        """Return whether there is a user of this name, disabled or not."""
        with self._lock:
            return name in self._users

    def has_password(self, name: str) -> bool:
        """Return whether a user can log in with a password."""
        with self._lock:
            user = self._users.get(name)
        return user is not None and user.password_hash is not None

    def is_password(self, name: str, password: str) -> bool:
        """Return whether an enabled user has this password. Takes as long for a user who does not exist."""
        with self._lock:
            user = self._users.get(name)
        is_right = verify_password(password, user.password_hash if user is not None else None)
        return is_right and user is not None and user.disabled_at is None

    def note_login(self, tx: Session, name: str) -> None:
        """Record in the transaction `tx` that a user has logged in."""
        user = tx.get(User, name)
        if user is not None:
            user.last_login_at = self._clock.now()
            tx.add(user)
            with self._lock:
                self._users[name] = User(**user.model_dump())

    def create(self, name: str, role: str, password: str | None) -> User:
        """Return a new user. Raises InvalidUserError, WeakPasswordError."""
        if not NAME.fullmatch(name):
            raise InvalidUserError(
                "This is not a name for a user.", "Use 1 to 64 lower-case letters, digits and . _ - @ characters."
            )
        if name in RESERVED:
            raise InvalidUserError(f"{name} is what the panel calls itself.", "Choose another name.")
        user = User(name=name, role=_role(role), created_at=self._clock.now())
        if password:
            check_password(password, name)
            user.password_hash = hash_password(password)
        with self._db.write() as tx:
            if tx.get(User, name) is not None:
                raise InvalidUserError(f"There is a user {name} already.", "Choose another name, or change that user.")
            tx.add(user)
            record(tx, self._clock.now(), "user.create", name, after={"role": role, "has_password": bool(password)})
        self._keep(user)
        return user

    def change(self, name: str, *, role: str | None = None, is_disabled: bool | None = None) -> User:
        """Change what a user may do, or whether they may do anything. Raises UserNotFoundError, InvalidUserError."""
        new_role = None if role is None else _role(role)
        with self._db.write() as tx:
            user = self._get(tx, name)
            before = _described(user)
            if new_role is not None:
                user.role = new_role
            if is_disabled is not None:
                user.disabled_at = self._clock.now() if is_disabled else None
            if name == ADMIN and (user.role != "admin" or user.disabled_at is not None):
                raise InvalidUserError(
                    f"{ADMIN} stays an enabled admin.",
                    "It is whoever starts the panel; give other people a user of their own.",
                )
            record(tx, self._clock.now(), "user.change", name, before=before, after=_described(user))
            tx.add(user)
        self._keep(user)
        self._on_change(name, "")
        return user

    def set_password(self, name: str, password: str, *, but: str = "") -> None:
        """Set a password; the sessions of the user end, `but` the one with this digest.

        Raises UserNotFoundError, InvalidUserError, WeakPasswordError.
        """
        check_password(password, name)
        hashed = hash_password(password)
        with self._db.write() as tx:
            user = self._get(tx, name)
            if user.is_password_set_by_setting:
                raise InvalidUserError(
                    "This password is set by PANEL_PASSWORD.", "Change it there, and start the panel again."
                )
            user.password_hash = hashed
            tx.add(user)
            record(tx, self._clock.now(), "user.set_password", name)
        self._keep(user)
        self._on_change(name, but)

    def remove(self, name: str) -> None:
        """Remove a user; their sessions end, and their tokens are revoked: nobody who gets the name later has them.

        Raises UserNotFoundError, InvalidUserError.
        """
        if name == ADMIN:
            raise InvalidUserError(f"{ADMIN} cannot be removed.", "It is whoever starts the panel.")
        with self._db.write() as tx:
            user = self._get(tx, name)
            record(tx, self._clock.now(), "user.remove", name, before=_described(user))
            tx.delete(user)
            is_theirs = (col(ApiToken.owner) == name) & col(ApiToken.revoked_at).is_(None)
            tx.exec(update(ApiToken).where(is_theirs).values(revoked_at=self._clock.now()))
        with self._lock:
            self._users.pop(name, None)
        self._on_change(name, "")

    def _get(self, tx: Session, name: str) -> User:
        user = tx.exec(select(User).where(col(User.name) == name)).first()
        if user is None:
            raise UserNotFoundError(name)
        return user

    def _keep(self, user: User) -> None:
        with self._lock:
            self._users[user.name] = User(**user.model_dump())


def _role(role: str) -> str:
    if role not in ROLES:
        raise InvalidUserError("This is no role.", f"Roles are {', '.join(ROLES)}.")
    return role


def _described(user: User) -> dict[str, object]:
    return {"role": user.role, "is_disabled": user.disabled_at is not None}
