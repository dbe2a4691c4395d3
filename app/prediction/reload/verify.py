"""Verifies a bundle in a process of its own: whatever it does there, the API goes on.

`python -m app.prediction.reload.verify` reads a job as JSON from stdin and writes a verdict as JSON to stdout. Limits on
memory and processor time are set before the graph is touched, and no file may be written.
"""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Final

from app.prediction.bundle_problems import ForbiddenContentError, UnsafeBundleError
from app.processes.child import run
from pipeline.core.problems import BundleError, ProblemError

ALLOWED_DOMAINS: Final = {"", "ai.onnx", "ai.onnx.ml"}
CPU_LIMIT_S: Final = 60


async def verify(folder: Path, sha256: str, *, timeout_s: float, memory_bytes: int) -> None:
    """Return when the bundle is fit to serve; raise BundleError MODEL-01 to MODEL-06 with the reason otherwise.

    Checked: digests of manifest and graph, size, no external data, only standard operators, golden rows, finite
    answers, and that loading neither crashes nor hangs.
    """
    job = json.dumps({"folder": str(folder), "sha256": sha256, "memory_bytes": memory_bytes}).encode()
    argv = [sys.executable, "-m", "app.prediction.reload.verify"]
    try:
        finished = await run(argv, job, timeout_s=timeout_s, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    except TimeoutError as error:
        raise UnsafeBundleError(
            f"The bundle {folder.name} hangs.", why=f"Its verification did not end within {timeout_s:g} s."
        ) from error
    if finished.exit_code != 0:
        raise UnsafeBundleError(
            f"The bundle {folder.name} crashes the process that loads it.",
            why=f"The process that verified it exited with {finished.exit_code}.",
        )
    verdict = json.loads(finished.stdout)
    if verdict is not None:
        raise BundleError.restore(verdict)


def validate_bundle(folder: Path, sha256: str) -> None:
    """Raise BundleError unless the bundle is fit to serve; the check itself, in this process."""
    from app.prediction.reload.onnx_scan import scan  # noqa: PLC0415
    from app.prediction.scoring.model import Model  # noqa: PLC0415 - only after the limits are set
    from pipeline.core.bundle import read_manifest, read_model  # noqa: PLC0415

    manifest = read_manifest(folder, sha256)
    raw = read_model(folder, manifest)
    references = scan(raw)
    if references.external_data:
        raise ForbiddenContentError("The model refers to files outside itself.", why="External data is not allowed.")
    foreign = sorted(references.domains - ALLOWED_DOMAINS)
    if foreign:
        raise ForbiddenContentError("The model uses operators that are not allowed.", why=", ".join(foreign))
    Model(manifest, raw, b"").check_golden()


def _limit(memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def main() -> int:
    """Return 0 with a verdict on stdout; anything else is a crash."""
    job = json.loads(sys.stdin.buffer.read())
    _limit(job["memory_bytes"])
    verdict: dict[str, object] | None = None
    try:
        validate_bundle(Path(job["folder"]), job["sha256"])
    except ProblemError as problem:
        verdict = problem.as_dict()
    except MemoryError:
        verdict = UnsafeBundleError("The bundle needs more memory than is allowed.").as_dict()
    sys.stdout.write(json.dumps(verdict))
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    os._exit(main())
