"""What became of a database that was damaged or gone at start."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True)
class Restored:
    """How a database was replaced at start.

    `cause` is what was wrong, in one sentence; `moved_to` the damaged file, None where there was none; `backup_at` the
    time of the copy that was used, None for none. `incomplete` are the tables that could not be read from end to end:
    what changed in them after `backup_at` is lost unless something else still has it.
    """

    cause: str
    moved_to: Path | None
    backup_at: datetime | None
    incomplete: tuple[str, ...]
