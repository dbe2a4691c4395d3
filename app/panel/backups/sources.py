"""Chooses what goes into a backup, as it is at one moment: the database first, then what the database speaks of."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.panel.backups.archive import BytesSource, FileSource, Source
from app.panel.db.copies import copy_online
from app.panel.settings import Settings
from pipeline.core.bundle import MANIFEST_FILE, MODEL_FILE, VERSIONS_DIR
from pipeline.core.ledger import LEDGER_FILE
from pipeline.core.pointer import POINTER_FILE
from pipeline.core.stage import BUNDLE_DIR, RECORD_DIR

DATABASE: Final = "state/panel.db"
RUNS: Final = "state/runs"
MODELS: Final = "models"
MLFLOW: Final = "mlflow"
SETTINGS: Final = "settings/ml-pipeline.toml"
MLFLOW_DATABASE: Final = "mlflow.db"
MLFLOW_ARTIFACTS: Final = "artifacts"
# Of a run: its models are published elsewhere, its output has become its log.
LEFT_OUT: Final = (BUNDLE_DIR, RECORD_DIR, "attempts")


@dataclass(frozen=True)
class Snapshot:
    """What must be of one moment: copies of the databases in `folder`, pointer and ledger in memory."""

    folder: Path
    pointer: bytes | None
    ledger: bytes | None
    has_mlflow: bool


def take_snapshot(settings: Settings, folder: Path) -> Snapshot:
    """Return the snapshot, in the empty `folder`. Raises OSError or sqlite3.OperationalError."""
    copy_online(settings.database, folder / settings.database.name)
    mlflow = settings.mlflow_dir / MLFLOW_DATABASE
    if has_mlflow := mlflow.is_file():
        copy_online(mlflow, folder / MLFLOW_DATABASE)
    return Snapshot(
        folder=folder,
        pointer=_content(settings.models_dir / POINTER_FILE),
        ledger=_content(settings.models_dir / LEDGER_FILE),
        has_mlflow=has_mlflow,
    )


def sources(settings: Settings, snapshot: Snapshot) -> Iterator[Sequence[Source]]:
    """Yield the files of a backup, in groups of those that belong together."""
    yield [FileSource(DATABASE, snapshot.folder / settings.database.name)]
    for name, content in ((POINTER_FILE, snapshot.pointer), (LEDGER_FILE, snapshot.ledger)):
        if content is not None:
            yield [BytesSource(f"{MODELS}/{name}", content)]
    for bundle in _sorted(settings.models_dir / VERSIONS_DIR):
        if not bundle.name.startswith("."):
            name = f"{MODELS}/{VERSIONS_DIR}/{bundle.name}"
            yield [FileSource(f"{name}/{file}", bundle / file) for file in (MODEL_FILE, MANIFEST_FILE)]
    for run in _sorted(settings.runs_dir):
        yield from _run(run)
    if snapshot.has_mlflow:
        yield [FileSource(f"{MLFLOW}/{MLFLOW_DATABASE}", snapshot.folder / MLFLOW_DATABASE)]
        for file in _files(settings.mlflow_dir / MLFLOW_ARTIFACTS):
            yield [FileSource(f"{MLFLOW}/{file.relative_to(settings.mlflow_dir).as_posix()}", file)]
    own_settings = Path(str(Settings.model_config["toml_file"]))
    if own_settings.is_file():
        yield [FileSource(SETTINGS, own_settings)]


def _run(folder: Path) -> Iterator[Sequence[Source]]:
    for entry in _sorted(folder):
        if not entry.name.startswith((*LEFT_OUT, ".")):
            for file in _files(entry):
                yield [FileSource(f"{RUNS}/{folder.name}/{file.relative_to(folder).as_posix()}", file)]


def _content(path: Path) -> bytes | None:
    with suppress(FileNotFoundError):
        return path.read_bytes()
    return None


def _sorted(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _files(path: Path) -> Iterator[Path]:
    """Yield the file, or all files below the folder; no links, which may lead anywhere."""
    if path.is_symlink():
        return
    if path.is_file():
        yield path
    for entry in _sorted(path):
        yield from _files(entry)
