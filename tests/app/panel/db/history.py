"""A history of runs in a database file, written with SQL alone."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AT = "2026-01-01 00:00:00.000000"


def change(path: Path, sql: str) -> None:
    """Run one statement against the file."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(sql)
        connection.commit()


def fill(path: Path, n_runs: int, first: int = 1, state: str = "succeeded") -> None:
    """Add runs with an attempt and two events each, numbered from `first`."""
    with closing(sqlite3.connect(path)) as connection:
        for number in range(first, first + n_runs):
            run_id = f"20260101-000000-{number:06x}"
            connection.execute(
                "INSERT INTO run (id, number, state, trigger, from_stage, params, force, requested_by, created_at, "
                "n_failures, reason, deployed, n_warnings, n_errors) "
                "VALUES (?, ?, ?, 'manual', 'set_seed', '{\"seed\": 42}', 0, 'web', ?, 0, ?, 0, 0, 0)",
                (run_id, number, state, AT, "x" * 300),
            )
            connection.execute(
                "INSERT INTO stage_attempt (run_id, stage, attempt, state, started_at) VALUES (?, 'set_seed', 1, 'succeeded', ?)",
                (run_id, AT),
            )
            for moved_to in ("queued", state):
                connection.execute(
                    "INSERT INTO run_event (run_id, at, new, reason) VALUES (?, ?, ?, '')", (run_id, AT, moved_to)
                )
        connection.commit()


def numbers(path: Path) -> list[int]:
    """Return the numbers of the runs in the file."""
    with closing(sqlite3.connect(path)) as connection:
        return [number for (number,) in connection.execute("SELECT number FROM run ORDER BY number")]


def count(path: Path, table: str) -> int:
    """Return the number of rows of a table."""
    with closing(sqlite3.connect(path)) as connection:
        (n_rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(n_rows)
