"""Whether the disks have room for what a run writes: each file system once, however many of the folders are on it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.panel.settings import Settings
from pipeline.core.disk import disk_problem, existing
from pipeline.core.sentences import listed
from pipeline.core.table_files import is_table

MB: Final = 2**20
MIN_FREE_BYTES: Final = 512 * MB  # of the state folder: logs, results and records of runs, databases and their copies
MODEL_BYTES: Final = 64 * MB  # models of the built-in table take 0.02 to 8 MB, and are written aside first
TEMPORARY_BYTES: Final = 64 * MB
# What is prepared of a table takes 0.7 to 1.8 times its size; of a packed one 8 times, and it is unpacked there as well.
PER_BYTE: Final = 2
PER_PACKED_BYTE: Final = 10
PACKED: Final = frozenset({".gz", ".bz2", ".xz", ".zst", ".zip", ".xlsx", ".xlsb", ".ods"})


@dataclass(frozen=True)
class Need:
    """What a run writes into `folder`; `title` names the folder, `basis` says where the figure comes from."""

    title: str
    folder: Path
    n_bytes: int
    basis: str


@dataclass(frozen=True)
class Room:
    """A file system: how much is free there, and which needs it has to meet."""

    free_bytes: int
    needs: tuple[Need, ...]

    @property
    def needed_bytes(self) -> int:
        """Return what a run writes to this file system."""
        return sum(need.n_bytes for need in self.needs)

    @property
    def folders(self) -> tuple[Path, ...]:
        """Return the folders on this file system."""
        return tuple(need.folder for need in self.needs)

    @property
    def where(self) -> str:
        """Return the folders as a sentence names them."""
        return listed([str(folder) for folder in self.folders], len(self.folders))

    @property
    def explained(self) -> str:
        """Return the figure that is needed and what it is made of, as a sentence."""
        parts = [f"{_mb(need.n_bytes)} MB for {need.basis}" for need in self.needs]
        return f"A run needs about {_mb(self.needed_bytes)} MB there: {listed(parts, len(parts))}."


def rooms(settings: Settings) -> tuple[Room, ...]:
    """Return each file system that a run writes to, in the order of state, processed data, models, temporary files.

    Raises DiskError where one of them fails.
    """
    needs: dict[int, list[Need]] = {}
    for need in _needs(settings):
        needs.setdefault(existing(need.folder).stat().st_dev, []).append(need)
    try:
        return tuple(Room(shutil.disk_usage(existing(group[0].folder)).free, tuple(group)) for group in needs.values())
    except OSError as error:
        raise disk_problem(error, [need.folder for need in _needs(settings)]) or error from error


def _needs(settings: Settings) -> Iterator[Need]:
    processed = settings.data_dir / "processed"
    tables_bytes, basis = _prepared_bytes(settings.data_dir / "raw")
    yield Need("state", settings.state_dir.absolute(), MIN_FREE_BYTES, "logs, results and databases")
    yield Need("processed data", processed.absolute(), tables_bytes, basis)
    yield Need("models", settings.models_dir.absolute(), MODEL_BYTES, "a model")
    with suppress(OSError):  # none can be used: a stage that needs one says so
        yield Need("temporary files", Path(tempfile.gettempdir()), TEMPORARY_BYTES, "temporary files")


def _prepared_bytes(raw: Path) -> tuple[int, str]:
    """Return what the prepared sets of the tables may take, and how that is estimated."""
    plain = packed = 0
    with suppress(OSError):  # whoever reads the tables says so
        for path in raw.iterdir():
            if is_table(path):
                n_bytes = path.stat().st_size
                packed, plain = (
                    (packed + n_bytes, plain) if path.suffix.lower() in PACKED else (packed, plain + n_bytes)
                )
    parts = [f"{PER_BYTE} times the {_mb(plain)} MB of tables in data/raw"] if plain or not packed else []
    parts += [f"{PER_PACKED_BYTE} times the {_mb(packed)} MB of packed ones"] if packed else []
    return PER_BYTE * plain + PER_PACKED_BYTE * packed, " and ".join(parts)


def _mb(n_bytes: int) -> str:
    return f"{-(-n_bytes // MB):,}"
