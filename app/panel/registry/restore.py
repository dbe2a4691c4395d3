"""Makes the history of models agree with the folder of models: what is there is known, what is gone is not offered."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlmodel import Session, col, select

from app.panel.db.engine import Database
from app.panel.registry.ledger import Ledger, Line, deployment_line, read_ledger, version_line
from app.panel.registry.store import apply_blocks, version_row
from app.panel.registry.tables import Deployment, ModelVersion
from app.panel.runs.domain.tables import Run
from pipeline.core.bundle import VERSIONS_DIR, read_manifest
from pipeline.core.manifest import Manifest
from pipeline.core.pointer import find_pointer, pointer_path
from pipeline.core.problems import BundleError

TOOK_EFFECT: Final = ("done", "undone")
READ_BACK: Final = "Read back from its folder."


@dataclass(frozen=True)
class RestoredModels:
    """What was brought back: numbers of versions, number of deployments.

    `lost` are versions whose files have vanished; `unreadable` bundles without an intact manifest; `conflicting` those whose
    number another version has.
    """

    versions: tuple[int, ...] = ()
    n_deployments: int = 0
    lost: tuple[int, ...] = ()
    unreadable: tuple[str, ...] = ()
    conflicting: tuple[str, ...] = ()


def restore_models(db: Database, models_dir: Path, now: datetime) -> RestoredModels:
    """Add the versions and deployments that only the folder knows, and to the ledger those that only the database knows.

    Without a ledger, the runs that deployed and the pointer tell what was live. Costs one look at the folder and the
    ledger where nothing is missing. Call it once the runs are known.
    """
    lines, deployments = read_ledger(models_dir)
    with db.read() as session:
        known = {row.bundle: row for row in session.exec(select(ModelVersion))}
        stored = {row.id: row for row in session.exec(select(Deployment)) if row.id is not None}
    folders = {folder.name for folder in (models_dir / VERSIONS_DIR).glob("[!.]*") if folder.is_dir()}
    live = find_pointer(models_dir)
    # The files of the live one may be restored from its run.
    there = folders if live is None else folders | {live.bundle}
    lost = [row.version for row in known.values() if row.pruned_at is None and row.bundle not in there]
    back = [row.version for row in known.values() if row.pruned_at is not None and row.bundle in folders]
    found, unreadable, conflicting = _unknown(
        models_dir, folders - known.keys(), {row.version for row in known.values()}
    )
    added = [deployments[number] for number in sorted(deployments.keys() - stored.keys())]
    if lost or back or found or added:
        with db.write() as session:
            for version in lost:
                session.get_one(ModelVersion, version).pruned_at = now
            for version in back:  # the folder was not mounted for a while
                session.get_one(ModelVersion, version).pruned_at = None
            for bundle, manifest in found.items():
                session.add(_row(session, bundle, manifest, lines.get(manifest.version)))
            session.flush()
            for row in added:
                session.add(row)
            session.flush()
            for row in added:
                if row.outcome == "done":
                    apply_blocks(session, row)
    n_told = _tell_from_runs(db, models_dir) if found and not stored and not added else 0
    _complete_ledger(db, models_dir)
    return RestoredModels(
        versions=tuple(sorted([*back, *(manifest.version for manifest in found.values())])),
        n_deployments=len(added) + n_told,
        lost=tuple(lost),
        unreadable=tuple(unreadable),
        conflicting=tuple(conflicting),
    )


def _unknown(
    models_dir: Path, bundles: set[str], numbers: set[int]
) -> tuple[dict[str, Manifest], list[str], list[str]]:
    """Return the manifests of bundles that the database does not know, and which of them cannot be added."""
    found: dict[str, Manifest] = {}
    unreadable: list[str] = []
    conflicting: list[str] = []
    for bundle in sorted(bundles):
        try:
            manifest = read_manifest(models_dir / VERSIONS_DIR / bundle)
        except BundleError:
            unreadable.append(bundle)
            continue
        if manifest.version in numbers:
            conflicting.append(bundle)
        else:
            numbers.add(manifest.version)
            found[bundle] = manifest
    return found, unreadable, conflicting


def _row(session: Session, bundle: str, manifest: Manifest, line: Line | None) -> ModelVersion:
    """Return the row of a version; the gate's decision is in the ledger, or else in the run that trained it."""
    decision, reason = "", READ_BACK
    run = session.get(Run, manifest.run_id)
    if line is not None and line.get("bundle") == bundle:
        decision, reason = str(line.get("decision", "")), str(line.get("reason", ""))
    elif run is not None and run.verdict is not None:
        decision, reason = str(run.verdict.get("decision", "")), str(run.verdict.get("reason", ""))
    return version_row(manifest, bundle, decision, reason)


def _tell_from_runs(db: Database, models_dir: Path) -> int:
    """Add deployments as far as runs and pointer tell of them, where there is no ledger; return their number."""
    with db.write() as session:
        versions = {row.version: row for row in session.exec(select(ModelVersion))}
        runs = session.exec(select(Run).where(col(Run.deployed)).order_by(col(Run.number)))
        moments: list[tuple[int | None, str | None, datetime, str]] = [
            (run.model_version, run.id, run.finished_at or run.created_at, run.reason) for run in runs
        ]
        pointer = find_pointer(models_dir)
        if pointer is not None and (not moments or moments[-1][0] != pointer.version):
            at = datetime.fromtimestamp(pointer_path(models_dir).stat().st_mtime, UTC)
            moments.append((pointer.version, None, at, "The pointer names it."))
        before: ModelVersion | None = None
        n_added = 0
        for version, run_id, at, reason in moments:
            row = versions.get(version) if version is not None else None
            if row is None:
                continue
            session.add(
                Deployment(
                    kind="deploy",
                    from_version=before.version if before else None,
                    from_bundle=before.bundle if before else None,
                    to_version=row.version,
                    to_bundle=row.bundle,
                    actor="run",
                    reason=reason,
                    run_id=run_id,
                    at=at,
                    finished_at=at,
                    outcome="done",
                    detail=READ_BACK,
                )
            )
            before, n_added = row, n_added + 1
    return n_added


def _complete_ledger(db: Database, models_dir: Path) -> None:
    """Add to the ledger what the database knows and it does not: an earlier version wrote none, or a kill came between."""
    lines, deployments = read_ledger(models_dir)
    with db.read() as session:
        versions = [row for row in session.exec(select(ModelVersion)) if row.version not in lines]
        ended = [row for row in session.exec(select(Deployment)) if row.outcome != "pending"]
    missing = [row for row in ended if row.id not in deployments or deployments[row.id].outcome != row.outcome]
    if versions or missing:
        Ledger(models_dir).append([*map(version_line, versions), *map(deployment_line, missing)])
