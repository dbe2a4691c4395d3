"""First stage: records what the outcome of the run depends on: seed, data, parameters, code and libraries."""

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pipeline
from pipeline.core.events import Events
from pipeline.core.params import Params
from pipeline.core.sentences import listed
from pipeline.core.stage import SeedResult, StageContext
from pipeline.ingest import sources

LIBRARIES: Final = ("numpy", "pandas", "scikit-learn", "onnx", "onnxruntime", "skl2onnx")
MAX_FILES_LISTED: Final = 20
_SHORT_DIGEST: Final = 12  # characters of a digest in the log


def run(ctx: StageContext, events: Events) -> SeedResult:
    """Return the digests and versions of this run. Raises NoTableError if there is no data."""
    paths = sources.find(ctx.data_dir / "raw")
    data, n_bytes = sources.digest(paths)
    result = SeedResult(
        seed=ctx.params.seed,
        data_digest=data,
        params_digest=params_digest(ctx.params),
        code_digest=code_digest(),
        n_files=len(paths),
        n_bytes=n_bytes,
        versions={"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
    )
    events.log(f"Seed {result.seed}, used by every stage of this run.")
    events.log(
        f"Data {data[:_SHORT_DIGEST]}: {listed([path.name for path in paths], MAX_FILES_LISTED)} ({n_bytes / 1e6:.1f} MB)"
    )
    events.log(f"Parameters {result.params_digest[:_SHORT_DIGEST]}, code {result.code_digest[:_SHORT_DIGEST]}")
    events.log(", ".join(f"{name} {number}" for name, number in result.versions.items()))
    return result


def params_digest(params: Params) -> str:
    """Return the sha256 of the parameters, defaults included."""
    return hashlib.sha256(params.model_dump_json().encode()).hexdigest()


def code_digest() -> str:
    """Return the sha256 of the sources of the package `pipeline`, names and contents."""
    root = Path(pipeline.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
