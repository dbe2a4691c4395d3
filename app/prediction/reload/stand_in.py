"""Which versions may stand in for a live one that cannot be loaded."""

import logging
from collections.abc import Iterator
from pathlib import Path

from pipeline.core.bundle import VERSIONS_DIR, check_bundle, pointer_to
from pipeline.core.ledger import read_deployments, servable_bundles
from pipeline.core.pointer import Pointer
from pipeline.core.problems import BundleError

log = logging.getLogger(__name__)


def may_stand_in(models_dir: Path) -> bool:
    """Return whether the ledger names a version that may serve."""
    return bool(servable_bundles(read_deployments(models_dir)))


def stand_ins(models_dir: Path) -> Iterator[Pointer]:
    """Yield pointers to the intact bundles that may serve, first the one that was live last. Reads each as it comes."""
    for bundle in servable_bundles(read_deployments(models_dir)):
        try:
            check_bundle(models_dir / VERSIONS_DIR / bundle)
            yield pointer_to(models_dir, bundle)
        except BundleError as problem:
            log.warning("action=stand_in bundle=%s error=%s", bundle, problem)
