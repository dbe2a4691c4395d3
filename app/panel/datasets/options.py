"""The form of the Data page: what a person decides about columns, as parameters of a run. Pure.

Fields are named by the position of their column, since a name may hold anything: `name.3`, `kind.3`, `missing.3`.
"""

import csv
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pipeline.core.params import ColumnOptions

CHOICES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "kind": (
        ("auto", "decided from its values"),
        ("numeric", "number"),
        ("categorical", "category"),
        ("date", "date"),
        ("text", "text"),
    ),
    "decimal": (("auto", "decided from its values"), (".", "point: 1,234.5"), (",", "comma: 1.234,5")),
    "date_order": (
        ("auto", "decided from its values"),
        ("ymd", "year, month, day"),
        ("dmy", "day, month, year"),
        ("mdy", "month, day, year"),
    ),
}
MAX_COLUMNS: Final = 2000


def changed_params(params: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters with what the form says about columns and the target; columns that it does not show stay."""
    columns: dict[str, Any] = dict(params.get("columns") or {})
    ignored = list(params.get("ignore") or ())
    for i in range(MAX_COLUMNS):
        name = texts.get(f"name.{i}")
        if name is None:
            break
        columns.pop(name, None)
        options = ColumnOptions.model_validate(
            {
                **{key: texts.get(f"{key}.{i}", "auto") for key in CHOICES},
                "missing": _words(texts.get(f"missing.{i}", "")),
                "kept": _words(texts.get(f"kept.{i}", "")),
            }
        )
        if options != ColumnOptions():
            columns[name] = options.model_dump(mode="json")
        ignored = [other for other in ignored if other != name] + [name] * (texts.get(f"ignore.{i}") == "on")
    target = texts.get("target") or None
    if target == texts.get("guess"):  # nobody has chosen it
        target = None
    sheet = texts.get("sheet", params.get("sheet")) or None
    return {**params, "columns": columns, "ignore": ignored, "target": target, "sheet": sheet}


def join_words(words: Sequence[str]) -> str:
    """Return words as a person writes them in one field: between commas, those with a comma in quotes."""
    return ", ".join('"' + word.replace('"', '""') + '"' if {",", '"'} & set(word) else word for word in words)


def _words(text: str) -> tuple[str, ...]:
    """Return the words between commas; one in quotes may have a comma."""
    words = next(csv.reader([text.strip()], skipinitialspace=True), [])
    return tuple(dict.fromkeys(word.strip() for word in words if word.strip()))
