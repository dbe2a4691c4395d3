"""Writes the objects of a JSON file as CSV, however the file wraps them."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TextIO

from pipeline.core.sentences import listed, plural
from pipeline.ingest.problems import UnreadableFileError

MAX_LISTED: Final = 10


def write_json(path: Path, target: Path, _sheet: str | None) -> str:
    """Write nested objects as `a.b`, leave out lists, and return a note. Raises UnreadableFileError."""
    names: dict[str, None] = {}
    left_out: dict[str, None] = {}
    n_rows = 0
    for record in _objects(path):
        names |= dict.fromkeys(_flat(record, left_out))
        n_rows += 1
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for record in _objects(path):
            flat = _flat(record, {})
            writer.writerow([_json_text(flat.get(name)) for name in names])
    rest = f"; lists are left out: {listed([*left_out], MAX_LISTED)}" if left_out else ""
    return f"read as JSON, {plural(n_rows, 'record')}{rest}"


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig") as file:
        first = file.read(1)
        while first.isspace():
            first = file.read(1)
        file.seek(0)
        try:
            if first == "[" or not _are_lines(file):
                yield from _records(json.load(file))
                return
            for line in file:
                if line.strip():
                    record = json.loads(line)
                    if isinstance(record, dict):
                        yield record
        except (ValueError, RecursionError) as error:
            raise UnreadableFileError.damaged(path) from error


def _are_lines(file: TextIO) -> bool:
    """Return whether each line is an object by itself; the file is at its start again."""
    lines = (line for line in file if line.strip())
    try:
        json.loads(next(lines, ""))
        are_lines = next(lines, None) is not None
    except ValueError:
        are_lines = False
    file.seek(0)
    return are_lines


def _records(whole: object) -> list[dict[str, Any]]:
    """Return the objects of one JSON document: those of its list, of its longest member that is one, or of its columns, as
    pandas and JavaScript write tables.
    """
    if isinstance(whole, list):
        return [record for record in whole if isinstance(record, dict)]
    if not isinstance(whole, dict):
        return []
    names, rows = whole.get("columns"), whole.get("data")
    if isinstance(names, list) and isinstance(rows, list) and all(isinstance(row, list) for row in rows):
        return [dict(zip(map(str, names), row, strict=False)) for row in rows]
    lists = [records for member in whole.values() if isinstance(member, list) and (records := _records(member))]
    if lists:
        return max(lists, key=len)
    columns = {name: values for name, values in whole.items() if isinstance(values, dict | list)}
    sizes = {len(values) for values in columns.values()}
    if len(columns) == len(whole) and len(sizes) == 1 and max(sizes) > 1:
        by_row = [[*(values.values() if isinstance(values, dict) else values)] for values in columns.values()]
        if not any(isinstance(value, dict | list) for values in by_row for value in values):
            return [dict(zip(columns, row, strict=True)) for row in zip(*by_row, strict=True)]
    return [whole]


def _flat(record: dict[str, Any], left_out: dict[str, None], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in record.items():
        name = prefix + key
        if isinstance(value, dict):
            flat |= _flat(value, left_out, f"{name}.")
        elif isinstance(value, list):
            left_out[name] = None
        else:
            flat[name] = value
    return flat


def _json_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)
