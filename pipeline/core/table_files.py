"""Which files in `data/raw` are tables: the stages read these, the panel lists and takes these."""

from pathlib import Path
from typing import Final

PARQUET_SUFFIXES: Final = (".parquet", ".pq")
TABLE_SUFFIXES: Final = (".csv", ".tsv", ".txt", *PARQUET_SUFFIXES)


def has_table_suffix(name: str) -> bool:
    """Return True for a name that ends as a table's does, in upper or lower case."""
    return Path(name).suffix.lower() in TABLE_SUFFIXES


def is_table(path: Path) -> bool:
    """Return True for a file, not hidden, whose name ends as a table's does."""
    return has_table_suffix(path.name) and not path.name.startswith(".") and path.is_file()
