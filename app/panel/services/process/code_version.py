"""Tells one version of the services' code from another: what runs with another one is replaced."""

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from app.processes.child import CODE_DIR
from app.processes.environment import LIBRARIES
from app.web.files import folder

# All that services import of us: neither the panel nor what trains (the contracts in `pyproject.toml`).
PACKAGES: Final = ("app/frontend", "app/prediction", "app/processes", "app/tracking_server", "app/web", "pipeline/core")


def code_version(code: Path = CODE_DIR) -> str:
    """Return a digest of what a service is once it was started now: our code, the packages, Python, how these are set.

    By content, so that a fresh checkout or another copy of the same version replaces nothing. Takes some 10 ms.
    """
    digest = hashlib.sha256()
    set_ = {name: os.environ.get(name) for name in sorted(LIBRARIES)}
    digest.update(json.dumps([sys.version, sorted(_packages()), set_]).encode())
    for name, path in _files(code):
        content = path.read_bytes()
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _files(code: Path) -> Iterator[tuple[Path, Path]]:
    """Yield each file with its name below its package, in a fixed order."""
    for top in (*(code / package for package in PACKAGES), folder("templates"), folder("static")):
        for path in sorted(top.rglob("*")):
            name = path.relative_to(top)
            if "__pycache__" not in name.parts and path.is_file():
                yield name, path


def _packages() -> Iterator[str]:
    """Yield name and version of each installed package, as the name of its folder of metadata says them."""
    for place in map(Path, sys.path):
        if place.is_dir():
            yield from (path.name for path in place.iterdir() if path.suffix in {".dist-info", ".egg-info"})
