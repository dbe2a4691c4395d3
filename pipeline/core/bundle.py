"""The bundle: what training hands to serving, immutable, on disk.

    models/versions/<run id>/model.onnx      raw columns -> probabilities or value
    models/versions/<run id>/manifest.json   everything else (`manifest.py`)
    models/current.json                      which of them is live (`pointer.py`)

Light: pydantic and stdlib only; no numpy, no onnx. Nothing here unpickles anything.
"""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from pipeline.core.atomic_files import fsync_dir, write_atomic
from pipeline.core.bundle_problems import BrokenBundleError
from pipeline.core.manifest import UNDIGESTED, Manifest, digest_of_fields
from pipeline.core.pointer import Pointer
from pipeline.core.temporary import held

MODEL_FILE: Final = "model.onnx"
MANIFEST_FILE: Final = "manifest.json"
VERSIONS_DIR: Final = "versions"
MAX_MODEL_BYTES: Final = 256 * 2**20  # of a graph: training exports no larger one, no reader loads one


def bundle_dir(models_dir: Path, pointer: Pointer) -> Path:
    """Return the folder that a pointer names."""
    return models_dir / VERSIONS_DIR / pointer.bundle


def read_manifest(folder: Path, sha256: str | None = None) -> Manifest:
    """Return the manifest of a bundle; with `sha256`, only if the file has that digest. Raises BundleError MODEL-02."""
    try:
        raw = (folder / MANIFEST_FILE).read_bytes()
    except OSError as error:
        raise BrokenBundleError.unreadable(folder, error) from error
    if sha256 is not None and hashlib.sha256(raw).hexdigest() != sha256:
        raise BrokenBundleError.changed(folder)
    try:
        return Manifest.model_validate_json(raw)
    except ValidationError as error:
        raise BrokenBundleError.invalid(folder, error) from error


def read_model(folder: Path, manifest: Manifest, max_bytes: int = MAX_MODEL_BYTES) -> bytes:
    """Return the graph's bytes, if they have the digest in the manifest. Raises BundleError MODEL-02."""
    path = folder / MODEL_FILE
    try:
        if path.stat().st_size > max_bytes:
            raise BrokenBundleError.model_too_large(folder, max_bytes)
        raw = path.read_bytes()
    except OSError as error:
        raise BrokenBundleError.model_unreadable(folder, error) from error
    if hashlib.sha256(raw).hexdigest() != manifest.model_sha256:
        raise BrokenBundleError.model_changed(folder)
    return raw


def check_bundle(folder: Path, sha256: str | None = None) -> Manifest:
    """Return the manifest of a bundle that is intact, as far as digests tell; raise BundleError MODEL-02 for any other.

    With `sha256` the manifest must have that digest. Its own is computed from the fields as they are written, so that a
    manifest of an older version keeps the one that it had.
    """
    manifest = read_manifest(folder, sha256)
    read_model(folder, manifest)
    fields = json.loads((folder / MANIFEST_FILE).read_bytes())
    if digest_of_fields({name: fields[name] for name in fields.keys() - UNDIGESTED}) != manifest.digest:
        raise BrokenBundleError.inconsistent(folder)
    return manifest


def write_bundle(folder: Path, manifest: Manifest, model: bytes) -> None:
    """Write a finished bundle into the new or empty folder, durably; on failure nothing is left of it."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        write_atomic(folder / MODEL_FILE, model)
        write_atomic(folder / MANIFEST_FILE, manifest.model_dump_json(indent=1).encode())
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def publish(models_dir: Path, source: Path, name: str) -> Pointer:
    """Copy the bundle `source` to `versions/<name>` and return the pointer that would make it live.

    Readers never see a half-written folder: it is written aside, made durable and renamed. Publishing the same
    bundle under the same name again is a no-op. Raises BundleError MODEL-02 for a bundle that is not intact.
    """
    manifest = read_manifest(source)
    model = read_model(source, manifest)
    versions = models_dir / VERSIONS_DIR
    target = versions / name
    if not target.exists():
        versions.mkdir(parents=True, exist_ok=True)
        aside = versions / f".new-{name}-{os.getpid()}"
        shutil.rmtree(aside, ignore_errors=True)  # of an attempt that could not remove it
        aside.mkdir()
        with held(aside):
            write_bundle(aside, manifest, model)
            aside.rename(target)
        fsync_dir(versions)
    return pointer_to(models_dir, name)


def pointer_to(models_dir: Path, name: str) -> Pointer:
    """Return a pointer to the published bundle `name`. Raises BundleError MODEL-02 if it is not intact."""
    folder = models_dir / VERSIONS_DIR / name
    manifest = read_manifest(folder)
    read_model(folder, manifest)
    raw = (folder / MANIFEST_FILE).read_bytes()
    return Pointer(version=manifest.version, bundle=name, sha256=hashlib.sha256(raw).hexdigest())
