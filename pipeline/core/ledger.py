"""Reads the ledger: `models/ledger.jsonl`, in which each deployment leaves a line beside the pointer.

It says which versions were live to whoever has the models folder only: the prediction API while the panel is down, and
training. Light: pydantic and stdlib only.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.core.bundle import pointer_to
from pipeline.core.bundle_problems import PointerError
from pipeline.core.pointer import Pointer, read_pointer, says_no_model

LEDGER_FILE: Final = "ledger.jsonl"
ROLLBACKS: Final = frozenset({"rollback", "auto_rollback"})


class LedgerDeployment(BaseModel):
    """One deployment. Bundles are folder names in `versions/`, None where there was none; kinds of newer versions are kept."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    event: Literal["deployment"]
    id: int
    kind: str
    outcome: str
    from_version: int | None = None
    from_bundle: str | None = None
    to_version: int | None = None
    to_bundle: str | None = None


def read_deployments(models_dir: Path) -> list[LedgerDeployment]:
    """Return the deployments, oldest first, each as its last line has it.

    A line that is torn or says something else is skipped; a ledger that is missing or cannot be read has none.
    """
    try:
        lines = (models_dir / LEDGER_FILE).read_bytes().splitlines()
    except OSError:
        return []
    deployments: dict[int, LedgerDeployment] = {}
    for line in lines:
        try:
            deployment = LedgerDeployment.model_validate_json(line)
        except ValidationError:
            continue
        deployments[deployment.id] = deployment  # at the place of its first line: it began then
    return list(deployments.values())


def servable_bundles(deployments: Iterable[LedgerDeployment]) -> list[str]:
    """Return the bundles that may serve, the one that was live last first: they were live, and were not rolled back since.

    The first is what the pointer names unless somebody else has moved it. Pure.
    """
    bundles: dict[str, None] = {}
    for deployment in deployments:
        left = deployment.from_bundle if deployment.kind in ROLLBACKS else None
        if deployment.outcome == "undone":
            left = deployment.to_bundle
        elif deployment.outcome != "done":
            continue
        if left is not None:
            bundles.pop(left, None)
        if deployment.outcome == "done" and deployment.to_bundle is not None and _is_name(deployment.to_bundle):
            bundles.pop(deployment.to_bundle, None)
            bundles[deployment.to_bundle] = None
    return [*reversed(bundles)]


def live_pointer(models_dir: Path) -> Pointer | None:
    """Return the pointer to the live version; one to the version that was live last where the pointer was lost or damaged.

    None where no model is live. Raises BundleError: MODEL-01 where the ledger does not help, MODEL-02 where the bundle that it
    names is not intact.
    """
    try:
        pointer = read_pointer(models_dir)
        problem = None
    except PointerError as error:
        pointer, problem = None, error
    if pointer is not None or says_no_model(models_dir):
        return pointer
    bundles = servable_bundles(read_deployments(models_dir))
    if bundles:
        return pointer_to(models_dir, bundles[0])
    if problem is not None:
        raise problem
    return None


def _is_name(bundle: str) -> bool:
    return bool(bundle) and not bundle.startswith(".") and Path(bundle).name == bundle
