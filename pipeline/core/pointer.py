"""The pointer, `models/current.json`: which bundle is live. Replaced atomically, polled by readers.

Light: pydantic and stdlib only.
"""

from pathlib import Path
from typing import Final

from pydantic import ValidationError

from pipeline.core.atomic_files import write_atomic
from pipeline.core.bundle_problems import PointerError
from pipeline.core.manifest import Record
from pipeline.core.problems import BundleError

POINTER_FILE: Final = "current.json"
NO_MODEL: Final = b'{"bundle": null}'  # the whole content of a pointer that says: none is live


class Pointer(Record):
    """The content of `current.json`: `bundle` is a folder name in `versions/`, `sha256` that of its manifest.json."""

    version: int
    bundle: str
    sha256: str


def pointer_path(models_dir: Path) -> Path:
    """Return the path of the pointer."""
    return models_dir / POINTER_FILE


def read_pointer(models_dir: Path) -> Pointer | None:
    """Return the pointer to the live version; None where it says that there is none, or is missing.

    It is missing before the first deployment, and when it was lost: `says_no_model` tells that from a pointer that says
    so. Raises BundleError MODEL-01 if it is invalid.
    """
    try:
        content = pointer_path(models_dir).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PointerError.unreadable(error) from error
    if content == NO_MODEL:
        return None
    try:
        pointer = Pointer.model_validate_json(content)
    except ValidationError as error:
        raise PointerError.invalid(error) from error
    if Path(pointer.bundle).name != pointer.bundle or pointer.bundle in {"", ".", ".."}:
        raise PointerError.outside(pointer.bundle)
    return pointer


def find_pointer(models_dir: Path) -> Pointer | None:
    """Return the pointer to the live version; None where there is none, and where it cannot be used."""
    try:
        return read_pointer(models_dir)
    except BundleError:
        return None


def says_no_model(models_dir: Path) -> bool:
    """Return whether the model was taken out of service on purpose: a pointer is there and says so."""
    try:
        return pointer_path(models_dir).read_bytes() == NO_MODEL
    except OSError:
        return False


def write_pointer(models_dir: Path, pointer: Pointer | None) -> None:
    """Make `pointer` the live version, atomically and durably; None takes the model out of service.

    A pointer that is merely gone takes nothing out of service, so None is written as well.
    """
    content = NO_MODEL if pointer is None else pointer.model_dump_json(indent=1).encode()
    write_atomic(pointer_path(models_dir), content)
