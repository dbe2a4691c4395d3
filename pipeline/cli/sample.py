"""`python -m pipeline sample DIR`: the built-in credit table as a file. Needs numpy only."""

import sys
from pathlib import Path

from pipeline.ingest.sample_table import ensure_sample


def sample(directory: Path) -> int:
    """Write the synthetic credit table into `directory` unless a table lies there, and return exit code 0."""
    written = ensure_sample(directory)
    sys.stdout.write(f"{'Wrote the synthetic credit table to' if written else 'A table is already in'} {directory}\n")
    return 0
