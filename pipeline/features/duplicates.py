"""Counts rows and columns that repeat others."""

import hashlib

import numpy as np

from pipeline.core.sentences import plural
from pipeline.ingest.columns import Hashes, Table


def duplicates(table: Table, hashes: Hashes) -> list[str]:
    """Return sentences on how many rows repeat others, by the `hashes` of rows, and on columns with the same values."""
    said = []
    n_rows = len(hashes) - len(np.unique(hashes))
    if n_rows:
        verb = "repeats" if n_rows == 1 else "repeat"
        said.append(f"{plural(n_rows, 'row')} ({n_rows / len(hashes):.1%}) {verb} another one")
    seen: dict[bytes, str] = {}
    for name, column in table.columns.items():
        digest = hashlib.sha256(column.hashes().tobytes()).digest()
        if digest in seen:
            said.append(f"Column {name!r} holds the same values as {seen[digest]!r}")
        seen.setdefault(digest, name)
    return said
