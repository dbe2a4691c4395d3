"""Which files in `data/raw` are tables: the stages read these, the panel lists and takes these."""

from pathlib import Path
from typing import Final

PARQUET_SUFFIXES: Final = (".parquet", ".pq")
TEXT_SUFFIXES: Final = (".csv", ".tsv", ".txt")
OTHER_SUFFIXES: Final = (".xlsx", ".xls", ".xlsb", ".ods", ".json", ".jsonl", ".ndjson", ".feather", ".arrow")
PACKED_SUFFIXES: Final = (".gz", ".bz2", ".xz", ".zst", ".zip")
TABLE_SUFFIXES: Final = (*TEXT_SUFFIXES, *PARQUET_SUFFIXES, *OTHER_SUFFIXES, *PACKED_SUFFIXES)


def has_table_suffix(name: str) -> bool:
    """Return True for a name that ends as a table's does, in upper or lower case."""
    return Path(name).suffix.lower() in TABLE_SUFFIXES


def is_table(path: Path) -> bool:
    """Return True for a file, not hidden, whose name ends as a table's does."""
    return has_table_suffix(path.name) and not path.name.startswith(".") and path.is_file()
