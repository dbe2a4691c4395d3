"""One SQLite file in WAL mode: one connection writes and checkpoints, the others only read.

SQLite before 3.51.3 can corrupt a WAL database when one connection checkpoints while another commits; so readers never
checkpoint. Commits are durable (`synchronous=FULL`): what was reported as accepted survives a power cut.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, event
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import QueuePool, StaticPool
from sqlmodel import Session, create_engine

from app.panel.db.late_writes import LateWrites, Write
from app.panel.db.problems import DatabaseLockedError, DatabaseNotWritableError
from app.panel.db.restored import Restored

BUSY_TIMEOUT_S: Final = 5.0
MAX_INTEGER: Final = 2**53 - 1  # exact in JSON; from 2**63 on, a number from outside would raise in the driver


class Database:
    """Sessions on the panel's file. Sync and thread-safe; from the event loop call it in a worker thread.

    Objects that leave a session stay readable: nothing expires on commit. `restored` says how the file was replaced at
    this start, None if it was not; `is_new`: there was none, and no copy of one.
    """

    def __init__(self, path: Path, restored: Restored | None = None, *, is_new: bool = False) -> None:
        self.path = path
        self.restored = restored
        self.is_new = is_new
        self._lock = threading.Lock()
        self._writer = _engine(path, read_only=False)
        self._readers = _engine(path, read_only=True)
        self._late = LateWrites(self.write)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Yield the session of one writing transaction: begun at once, committed at the end, undone by an exception.

        Not to be nested. Raises DatabaseLockedError or DatabaseNotWritableError where SQLite cannot write.
        """
        if not self._lock.acquire(timeout=BUSY_TIMEOUT_S):
            raise DatabaseLockedError(BUSY_TIMEOUT_S)
        try:
            with _translated(), Session(self._writer, expire_on_commit=False) as session, session.begin():
                session.connection()
                yield session
        finally:
            self._lock.release()

    def write_now_or_later(self, write: Write, action: str) -> None:
        """Call `write` with the session of a transaction of its own; where SQLite cannot write now, in the background.

        For what has happened already and must not fail with it. `action` names it in the log.
        """
        self._late.write(write, action)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Yield a session that sees one consistent state and cannot write. Keep it short."""
        with _translated(), Session(self._readers, expire_on_commit=False) as session:
            yield session

    @property
    def writer(self) -> Engine:
        """Return the engine of the one writing connection; for migrations only."""
        return self._writer

    def close(self) -> None:
        """Close the readers first, so that the last one to close, which checkpoints, is the writer."""
        self._late.close()
        self._readers.dispose()
        self._writer.dispose()


def _engine(path: Path, *, read_only: bool) -> Engine:
    arguments = {"check_same_thread": False, "timeout": BUSY_TIMEOUT_S, "isolation_level": None}
    if read_only:
        engine = create_engine(
            f"sqlite:///{path}", connect_args=arguments, poolclass=QueuePool, pool_size=4, max_overflow=40
        )
    else:
        engine = create_engine(f"sqlite:///{path}", connect_args=arguments, poolclass=StaticPool)
    pragmas = ["journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "mmap_size=0"]
    if read_only:
        pragmas = ["query_only=ON", "wal_autocheckpoint=0", "mmap_size=0"]

    def connected(connection: sqlite3.Connection, _record: Any) -> None:  # noqa: ANN401 - SQLAlchemy's private type
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    def begun(connection: Any) -> None:  # noqa: ANN401 - SQLAlchemy passes its Connection
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine


@contextmanager
def _translated() -> Iterator[None]:
    """Raise ProblemError for SQLite's own errors, so that they stay inside this module."""
    try:
        yield
    except DatabaseError as error:
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
        if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise DatabaseLockedError(BUSY_TIMEOUT_S) from error
        if code in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}:
            raise DatabaseNotWritableError(error.orig) from error
        raise
