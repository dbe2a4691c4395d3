"""Mutated bundles: the verification refuses or accepts each, and never lets one through that answers otherwise."""

import asyncio
import hashlib
import os
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from app.prediction.reload.onnx_scan import scan
from app.prediction.reload.verify import ALLOWED_DOMAINS, validate_bundle, verify
from app.processes.tree import descendants
from bench.bundles import external_data, make_bundle
from bench.wait import until_async
from pipeline.core.bundle import write_bundle
from pipeline.core.manifest import digest_of
from pipeline.core.problems import BundleError

pytestmark = pytest.mark.process
N_MUTATIONS = 150


def test_the_scan_finds_domains_and_external_data_when_there_are_some(tmp_path: Path) -> None:
    model = make_bundle(tmp_path).model
    assert scan(model).domains <= ALLOWED_DOMAINS
    assert not scan(model).external_data
    assert scan(external_data(model)).external_data


def test_the_scan_ends_in_an_answer_or_a_bundle_error_when_bytes_are_mutated(tmp_path: Path) -> None:
    model = make_bundle(tmp_path).model
    rng = random.Random(0)
    for _ in range(N_MUTATIONS):
        changed = bytearray(model)
        for _ in range(rng.randint(1, 4)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        piece = bytes(changed[: rng.randrange(1, len(changed))]) if rng.random() < 0.3 else bytes(changed)
        assert _id(partial(scan, piece)) in {"", "MODEL-03", "MODEL-06"}


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json"])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "gone"])
def test_a_damaged_file_is_refused_by_its_digest(tmp_path: Path, name: str, damage: str) -> None:
    built = make_bundle(tmp_path)
    path = built.folder / name
    raw = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(raw[:-7] if damage == "truncated" else raw[:50] + bytes([raw[50] ^ 1]) + raw[51:])
    with pytest.raises(BundleError) as caught:
        validate_bundle(built.folder, built.pointer.sha256)
    assert caught.value.id == "MODEL-02"


def _id(call: Callable[[], object]) -> str:
    """Return the id of the BundleError that a call ends in, \"\" if it ends well."""
    try:
        call()
    except BundleError as error:
        return error.id
    return ""


def _verified(folder: Path, sha256: str) -> None:
    asyncio.run(_verify(folder, sha256))


async def _verify(folder: Path, sha256: str, timeout_s: float = 20) -> None:
    await verify(folder, sha256, timeout_s=timeout_s, memory_bytes=4 * 2**30)


def test_a_bundle_that_takes_too_long_is_refused(tmp_path: Path) -> None:
    built = make_bundle(tmp_path)
    with pytest.raises(BundleError, match="hangs") as caught:
        asyncio.run(_verify(built.folder, built.pointer.sha256, timeout_s=0.01))
    assert caught.value.id == "MODEL-05"


@pytest.mark.parametrize("is_running_first", [True, False])
def test_no_process_is_left_when_the_verification_is_cancelled(tmp_path: Path, is_running_first: bool) -> None:
    """Also when it was only about to be started."""
    built = make_bundle(tmp_path)
    others = set(descendants(os.getpid()))

    def has_started() -> bool:
        return not set(descendants(os.getpid())) <= others

    async def cancel_soon() -> None:
        verifying = asyncio.create_task(_verify(built.folder, built.pointer.sha256))
        await asyncio.sleep(0)
        if is_running_first:
            await until_async(lambda: has_started() or None, what="the start of the verification")
        verifying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await verifying

    asyncio.run(cancel_soon())  # which waits for the thread that waits for the process
    assert not has_started()


def test_mutated_graphs_with_fitting_digests_never_answer_otherwise(tmp_path: Path) -> None:
    """The digests are made to fit, so only the verification in its own process stands between the bytes and the API."""
    built = make_bundle(tmp_path / "models", n_trees=3, boolean=False, categorical=False)
    rng = random.Random(1)
    refused = 0
    for i in range(5):
        changed = bytearray(built.model)
        for _ in range(8):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        model = bytes(changed)
        manifest = built.manifest.model_copy(update={"model_sha256": hashlib.sha256(model).hexdigest()})
        manifest = manifest.model_copy(update={"digest": digest_of(manifest)})
        folder = tmp_path / str(i)
        write_bundle(folder, manifest, model)
        sha256 = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
        problem_id = _id(partial(_verified, folder, sha256))
        assert problem_id in {"", "MODEL-03", "MODEL-04", "MODEL-05", "MODEL-06"}
        refused += problem_id != ""
    assert refused >= 2
