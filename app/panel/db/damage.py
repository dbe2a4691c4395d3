"""Finds what is wrong with a database file: damaged pages, missing tables, rows that cannot be read."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from sqlalchemy import JSON, Boolean, Column, DateTime, Float, Integer, Table, TypeDecorator
from sqlmodel import SQLModel

FULL_CHECK_BYTES: Final = 32 * 2**20  # of a larger file less is checked, so that the panel still starts at once
MAX_NAMED_ROWS: Final = 5  # of one table, in messages
# What the migrations create besides tables and indexes; the database enforces rules with them.
TRIGGERS: Final = frozenset(
    {"run_final_is_final", "audit_entry_no_replace", "audit_entry_no_update", "audit_entry_no_delete"}
)


def file_damage(path: Path) -> str:
    """Return what SQLite itself finds wrong with the file, in one sentence; "" if nothing.

    Raises sqlite3.OperationalError where it cannot be read for another reason, such as a lock.
    """
    if path.stat().st_size == 0:
        return "The file is empty."
    check = "integrity_check" if path.stat().st_size <= FULL_CHECK_BYTES else "quick_check"
    try:
        with closing(sqlite3.connect(path, timeout=5.0)) as connection:
            found = [str(row[0]) for row in connection.execute(f"PRAGMA {check}(1)")]
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        return f"SQLite cannot read the file: {error}."
    return "" if found == ["ok"] else f"SQLite finds damage in the file: {' '.join(found[0].split())}."


def content_damage(path: Path) -> str:
    """Return what of a sound file at this build's schema is missing or cannot be read, in one sentence; "" if nothing."""
    try:
        with closing(sqlite3.connect(path, timeout=5.0)) as connection:
            connection.execute("PRAGMA query_only=ON")
            if missing := _missing(connection):
                return f"The database has lost {', '.join(missing)}."
            for table in SQLModel.metadata.sorted_tables:
                if rows := unreadable_rows(connection, table):
                    return f"{_named(table, rows)} cannot be read."
            if path.stat().st_size <= FULL_CHECK_BYTES:
                return _undecodable(connection)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        return f"SQLite cannot read the file: {error}."
    return ""


def unreadable_rows(connection: sqlite3.Connection, table: Table) -> list[tuple[int, str]]:
    """Return the rows with a value that is none of its column's type: row id and name of the first such column."""
    columns = _columns(connection, table)
    cases = " ".join(f"WHEN {violation(column)} THEN '{column.name}'" for column in columns)
    query = f'SELECT rowid, CASE {cases} END AS broken FROM "{table.name}" WHERE broken IS NOT NULL'  # noqa: S608
    return [(int(rowid), str(name)) for rowid, name in connection.execute(query)]


def violation(column: "Column[Any]") -> str:
    """Return the SQL condition that a value of the column is none that the program has written."""
    name = f'"{column.name}"'
    kind = column.type
    if isinstance(kind, TypeDecorator):
        kind = kind.impl_instance
    if isinstance(kind, JSON):
        wrong = f"CASE WHEN json_valid({name}) THEN json_type({name}) NOT IN ('object', 'null') ELSE 1 END"
    elif isinstance(kind, DateTime):
        # SQLite takes the 30th of February for the 2nd of March.
        wrong = f"(typeof({name}) <> 'text' OR date({name}, '+0 days') IS NOT substr({name}, 1, 10))"
    elif isinstance(kind, Boolean):
        wrong = f"{name} NOT IN (0, 1)"
    elif isinstance(kind, Integer):
        wrong = f"typeof({name}) <> 'integer'"
    elif isinstance(kind, Float):
        wrong = f"typeof({name}) NOT IN ('integer', 'real')"
    else:
        wrong = f"typeof({name}) <> 'text'"
        if values := column.info.get("values"):
            wrong = f"{name} NOT IN ({', '.join(repr(str(value)) for value in sorted(values))})"
    is_null = f"{name} IS NULL"
    return f"(NOT {is_null} AND {wrong})" if column.nullable else f"({is_null} OR {wrong})"


def _columns(connection: sqlite3.Connection, table: Table) -> list["Column[Any]"]:
    present = {row[1] for row in connection.execute(f'PRAGMA table_info("{table.name}")')}
    return [column for column in table.columns if column.name in present]


def _missing(connection: sqlite3.Connection) -> list[str]:
    """Return what the schema should have and has not: `the table run`, `the column run.params`, ..."""
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    missing = [f"the trigger {name}" for name in sorted(TRIGGERS - names)]
    for table in SQLModel.metadata.sorted_tables:
        if table.name not in names:
            missing.append(f"the table {table.name}")
            continue
        present = {column.name for column in _columns(connection, table)}
        missing += [f"the column {table.name}.{column.name}" for column in table.columns if column.name not in present]
        missing += [f"the index {index.name}" for index in table.indexes if index.name not in names]
    return missing


def _undecodable(connection: sqlite3.Connection) -> str:
    """Return which table holds a text that is not UTF-8, in one sentence; "" if none does."""
    for table in SQLModel.metadata.sorted_tables:
        try:
            for _ in connection.execute(f'SELECT * FROM "{table.name}"'):  # noqa: S608 - a name of our own
                pass
        except sqlite3.OperationalError as error:
            return f"A row of the table {table.name} cannot be read: {error}."
    return ""


def _named(table: Table, rows: list[tuple[int, str]]) -> str:
    """Return `Row 7 (params) of the table run`, or several."""
    shown = ", ".join(f"{rowid} ({column})" for rowid, column in rows[:MAX_NAMED_ROWS])
    more = f" and {len(rows) - MAX_NAMED_ROWS} more" if len(rows) > MAX_NAMED_ROWS else ""
    return f"{'Row' if len(rows) == 1 else 'Rows'} {shown}{more} of the table {table.name}"
