"""Says which published bundles are intact. Each is read once, and again when its files change: pages ask for all of them."""

import os
from pathlib import Path

from pipeline.core.bundle import MANIFEST_FILE, MODEL_FILE, VERSIONS_DIR, check_bundle
from pipeline.core.problems import BundleError

Stamps = tuple[
    tuple[int, int, int] | None, ...
]  # inode, time and size of manifest and graph, None for one that is gone


class BundleChecks:
    """Sync and thread-safe: whoever comes first reads, and whoever comes at the same time reads the same."""

    def __init__(self, models_dir: Path) -> None:
        self._versions = models_dir / VERSIONS_DIR
        self._checked: dict[tuple[str, str | None], tuple[Stamps, BundleError | None]] = {}

    def problem(self, bundle: str, sha256: str | None = None) -> BundleError | None:
        """Return why `bundle` is not intact, None where it is; with `sha256` its manifest must have that digest."""
        stamps = self._stamps(bundle)
        known = self._checked.get((bundle, sha256))
        if known is not None and known[0] == stamps:
            return known[1]
        try:
            check_bundle(self._versions / bundle, sha256)
            problem = None
        except BundleError as error:
            problem = error
        self._checked[bundle, sha256] = (stamps, problem)
        return problem

    def is_damaged(self, bundle: str) -> bool:
        """Return whether `bundle` is known not to be intact, without reading it: True also where a file of it is gone."""
        stamps = self._stamps(bundle)
        known = self._checked.get((bundle, None))
        return None in stamps or (known is not None and known[0] == stamps and known[1] is not None)

    def check_next(self) -> None:
        """Check one bundle that is new or was changed since, so that all are known in time and no page waits for that."""
        for folder in sorted(self._versions.glob("[!.]*")):
            known = self._checked.get((folder.name, None))
            if known is None or known[0] != self._stamps(folder.name):
                self.problem(folder.name)
                return

    def _stamps(self, bundle: str) -> Stamps:
        return tuple(_stamp(self._versions / bundle / name) for name in (MANIFEST_FILE, MODEL_FILE))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - for each version of a page
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
