"""Brings pointer and live bundle back to what the history of deployments says, after files were lost or damaged."""

import logging
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from app.panel.audit.actor import PANEL, acting
from app.panel.clock import Clock
from app.panel.registry.queries import ModelQueries
from app.panel.registry.store import DeploymentStore
from pipeline.core.atomic_files import fsync_dir, write_atomic
from pipeline.core.bundle import MANIFEST_FILE, MODEL_FILE, VERSIONS_DIR, check_bundle, pointer_to
from pipeline.core.bundle_problems import PointerError
from pipeline.core.pointer import Pointer, read_pointer, says_no_model, write_pointer
from pipeline.core.problems import BundleError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Repair:
    """What was mended last, in one sentence for people."""

    at: datetime
    text: str


class LiveModelRepair:
    """Sync. `find_fault` may be called at any time, `repair` only while no deployment is in progress.

    `runs_dir` holds the folders of the runs, in which bundles are kept as they were trained. `last` is what was mended last.
    """

    def __init__(
        self, *, models_dir: Path, runs_dir: Path, store: DeploymentStore, queries: ModelQueries, clock: Clock
    ) -> None:
        self._models_dir = models_dir
        self._runs_dir = runs_dir
        self._store = store
        self._queries = queries
        self._checks = queries.checks
        self._clock = clock
        self._error = ""
        self.last: Repair | None = None

    def find_fault(self) -> BundleError | None:
        """Return why the live model cannot be loaded from its files, None where it can or none is live. Cheap."""
        try:
            pointer = read_pointer(self._models_dir)
        except BundleError as error:
            return error
        latest = self._store.latest()
        if pointer is None:
            return None if latest is None or says_no_model(self._models_dir) else PointerError.missing()
        fault = self._checks.problem(pointer.bundle, pointer.sha256)
        if latest is None or (fault is None and pointer.bundle != latest.to_bundle):
            return fault  # somebody else has put it live, such as `python -m pipeline run --publish`
        is_as_recorded = (pointer.version, pointer.bundle) == (latest.to_version, latest.to_bundle)
        if not is_as_recorded or (fault is not None and self._checks.problem(pointer.bundle) is None):
            return PointerError.changed()
        return fault

    def repair(self) -> BundleError | None:
        """Mend what can be mended, and say so in the log. Return what remains. Raises nothing for what the disk does.

        A pointer that is lost or damaged is written again. A damaged bundle is restored from the run that trained it; where
        that is gone, the newest intact version that was live before takes its place, as a deployment of its own.
        """
        try:
            self._mend()
            self._error = ""
        except OSError as error:  # a full disk, say: what is wrong stays wrong, and everything else goes on
            if str(error) != self._error:
                log.warning("action=repair_live_model error=%s", error)
            self._error = str(error)
        return self.find_fault()

    def _mend(self) -> None:
        fault = self.find_fault()
        if isinstance(fault, PointerError):
            self._restore_pointer(fault)
            fault = self.find_fault()
        if fault is None or isinstance(fault, PointerError):
            return
        pointer = read_pointer(self._models_dir)
        if pointer is not None and not self._restore_bundle(pointer, fault):
            self._fall_back(pointer.version, pointer.bundle, fault)

    def _restore_pointer(self, fault: BundleError) -> None:
        latest = self._store.latest()
        if latest is None or latest.to_bundle is None or latest.to_version is None:
            return
        damage = self._checks.problem(latest.to_bundle)
        if damage is not None:
            copy = self._copy(latest.to_bundle, latest.to_version, None)
            if copy is None:
                self._fall_back(latest.to_version, latest.to_bundle, damage)
                return
            self._replace(latest.to_bundle, copy)
        write_pointer(self._models_dir, pointer_to(self._models_dir, latest.to_bundle))
        self._note(f"{fault.what} It was written again and names version {latest.to_version}, which was live.")

    def _restore_bundle(self, pointer: Pointer, fault: BundleError) -> bool:
        """Return whether the bundle could be replaced by the copy of the run that trained it."""
        copy = self._copy(pointer.bundle, pointer.version, pointer.sha256)
        if copy is None:
            return False
        self._replace(pointer.bundle, copy)
        write_pointer(self._models_dir, pointer)  # the API looks again at once
        self._note(f"{fault.what} Version {pointer.version} was restored from the run that trained it.")
        return True

    def _copy(self, bundle: str, version: int, sha256: str | None) -> Path | None:
        """Return the folder of an intact copy of a bundle; one is kept as it was trained, one for each new number."""
        for folder in (self._runs_dir / bundle / "bundle", *self._runs_dir.glob(f"*/bundle-{version}")):
            with suppress(BundleError):
                manifest = check_bundle(folder, sha256)
                if (manifest.run_id, manifest.version) == (bundle, version):
                    return folder
        return None

    def _replace(self, bundle: str, copy: Path) -> None:
        versions = self._models_dir / VERSIONS_DIR
        target, aside, old = versions / bundle, versions / f".new-{bundle}-{os.getpid()}", versions / f".old-{bundle}"
        for left in (aside, old):
            shutil.rmtree(left, ignore_errors=True)
        aside.mkdir(parents=True)
        for name in (MODEL_FILE, MANIFEST_FILE):
            write_atomic(aside / name, (copy / name).read_bytes())
        with suppress(FileNotFoundError):
            target.rename(old)
        aside.rename(target)
        fsync_dir(versions)
        shutil.rmtree(old, ignore_errors=True)

    def _note(self, text: str) -> None:
        log.warning("action=repair_live_model result=%r", text)
        self.last = Repair(self._clock.now(), text)

    def _fall_back(self, version: int, bundle: str, fault: BundleError) -> None:
        for row in self._queries.earlier(version):
            if row.bundle == bundle or self._checks.problem(row.bundle) is not None:
                continue
            with acting(PANEL):
                reason = f"The files of version {version} are damaged. {fault.what} {fault.why}".strip()
                before = Pointer(version=version, bundle=bundle, sha256="")
                after = pointer_to(self._models_dir, row.bundle)
                deployment = self._store.begin("fallback", before, after, actor="panel", reason=reason)
                assert deployment.id is not None
                write_pointer(self._models_dir, after)
                self._store.finish(deployment.id, "done", "", 0.0)
                self._note(f"{reason} Version {row.version}, which was live before, took its place.")
                return
