"""Reads JSON into the arrays that a model takes, and names what does not fit by row and field.

The way of almost every request, plain records with the right types, goes through a decoder that msgspec builds for the
model's own fields, straight to a tuple of numbers. Only what that decoder refuses is looked at field by field, to say
what is wrong.
"""

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np

from app.prediction.problems import InvalidBodyError, InvalidValuesError, RequestTooLargeError
from app.prediction.scoring.lenient_json import loads
from app.prediction.scoring.model import Model, example_record
from pipeline.core.cells import FLOAT32_MAX, Cells, match_names
from pipeline.core.manifest import Feature, Scalar
from pipeline.core.sentences import listed
from pipeline.onnx.session import Floats, Texts

MAX_TEXT: Final = 1_000  # of a category or a date; of a free text the first characters are read, however many come
# What msgspec raises for a body that it cannot read as rows of the model.
UNREADABLE: Final = (msgspec.MsgspecError, OverflowError, RecursionError, ValueError)
SHOWN_NAMES: Final = 30
MAX_ERRORS: Final = 20


@dataclass(frozen=True, slots=True)
class Rows:
    """Valid rows as arrays. `single`: they came as one object, not as a list. `matched`: names as they were sent, and the
    features that they were taken for, where the two are not equal.
    """

    numeric: Floats
    categorical: Texts | None
    single: bool = False
    matched: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numeric)

    def missing(self, model: Model) -> list[list[str]]:
        """Return for each row the names of its missing features, in the model's order."""
        absent: list[list[str]] = [[] for _ in range(len(self))]
        for i, j in np.argwhere(np.isnan(self.numeric)).tolist():
            absent[i].append(model.numeric[j].name)
        if self.categorical is not None:
            for i, j in np.argwhere(self.categorical == "").tolist():
                absent[i].append(model.categorical[j].name)
        return absent

    def unseen(self, model: Model) -> list[list[str]]:
        """Return for each row the names of the features whose category training has not seen, or in whose text
        it knows no word, in the model's order."""
        names: list[list[str]] = [[] for _ in range(len(self))]
        if self.categorical is not None:
            for j, cells in enumerate(model.text_cells):
                for i, text in enumerate(self.categorical[:, j].tolist()):
                    if cells.is_unseen(text):
                        names[i].append(model.categorical[j].name)
        return names


class RowReader:
    """Reads rows for one model."""

    def __init__(self, model: Model, max_rows: int) -> None:
        self._model = model
        self._max_rows = max_rows
        row = row_type(model)
        self._many = None if row is None else msgspec.json.Decoder(list[row])  # type: ignore[valid-type]  # built at run time
        self._any = msgspec.json.Decoder()
        self._names = frozenset(model.names)
        self._all_names = self._names | model.left_out

    def body(self, raw: bytes) -> Rows:
        """Return the rows of a JSON body: one object, or a list of objects.

        Raises ProblemError API-02 (400) for what is no JSON or no record, InvalidValuesError API-03 (422), API-04 (413) for
        too many rows.
        """
        if self._many is not None and raw[:64].lstrip()[:1] == b"[":
            with contextlib.suppress(*UNREADABLE):  # then say below what is wrong
                structs = self._many.decode(raw)
                if structs:
                    return self._array(structs)
        return self._explained(raw)

    def records(self, records: Sequence[object], *, single: bool = False) -> Rows:
        """Return the rows of parsed records. Raises as `body`."""
        self.check_count(len(records))
        return self.filled(records, single=single)

    def filled(self, records: Sequence[object], *, single: bool = False) -> Rows:
        """Return the same for any number of records. Raises InvalidValuesError API-03 (422)."""
        numeric, categorical = self._model.empty(len(records))
        errors: list[dict[str, object]] = []
        n_errors = 0
        matched: dict[str, str] = {}
        for i, record in enumerate(records):
            for name, value, problem in self._fill(record, i, numeric, categorical, matched):
                n_errors += 1
                if len(errors) < MAX_ERRORS:
                    errors.append(
                        {"row": None if single else i, "field": name, "value": _shown(value), "problem": problem}
                    )
        if errors:
            raise InvalidValuesError(errors, n_errors=n_errors, example=example_record(self._model.manifest.features))
        return Rows(numeric, categorical, single, matched)

    def check_count(self, n_rows: int) -> None:
        """Raise API-02 for no rows, API-04 for too many."""
        if n_rows == 0:
            raise InvalidBodyError.no_rows("The list is empty.")
        if n_rows > self._max_rows:
            raise RequestTooLargeError.too_many_rows(n_rows, self._max_rows)

    def _array(self, structs: Sequence[msgspec.Struct]) -> Rows:
        self.check_count(len(structs))
        tuples = [msgspec.structs.astuple(row) for row in structs]
        k, m = len(self._model.numeric), len(self._model.categorical)
        if not m:
            return Rows(np.array(tuples, dtype=np.float32), None)
        numeric = np.array([each[:k] for each in tuples], dtype=np.float32).reshape(len(tuples), k)
        categorical = np.empty((len(tuples), m), dtype=object)
        for j, cells in enumerate(self._model.text_cells, start=k):
            categorical[:, j - k] = ["" if each[j] is None else cells.text(each[j]) for each in tuples]
        return Rows(numeric, categorical)

    def _explained(self, raw: bytes) -> Rows:
        try:
            parsed = self._parsed(raw)
        except (ValueError, RecursionError) as error:
            raise InvalidBodyError.not_json(error) from error
        if isinstance(parsed, list):
            return self.records(parsed)
        return self.records([parsed], single=True)

    def _parsed(self, raw: bytes) -> object:
        try:
            return self._any.decode(raw)
        except UNREADABLE:
            # NaN, Infinity or 1e400 somewhere: this parser takes them, so that the field can be named.
            return loads(raw)

    def _fill(
        self, record: object, i: int, numeric: Floats, categorical: Texts | None, matched: dict[str, str]
    ) -> list[tuple[str, object, str]]:
        """Write one record into row i, and names that were not sent as they are into `matched`; return what cannot be used as
        (field, value, problem).
        """
        if not isinstance(record, Mapping):
            return [("", record, "Not an object with the model's features.")]
        wrong: list[tuple[str, object, str]] = []
        model = self._model
        meant = self._meant(record)
        for sent, value in record.items():
            name = meant.get(sent, sent)
            if name in model.left_out or (value is None and name in self._names):
                continue
            if name in model.numeric_at:
                j = model.numeric_at[name]
                number = _number(value, model.numeric[j], model.cells[name])
                if number is None:
                    wrong.append((sent, value, _expected(model.numeric[j])))
                else:
                    numeric[i, j] = number
            elif categorical is not None and name in model.categorical_at:
                text = _text(value, model.cells[name])
                if text is None:
                    wrong.append((sent, value, _expected(model.categorical[model.categorical_at[name]])))
                else:
                    categorical[i, model.categorical_at[name]] = text
            else:
                wrong.append((str(sent)[:100], value, _unknown(model)))
                continue
            if sent != name:
                matched[sent] = name
        return wrong

    def _meant(self, record: Mapping[str, object]) -> dict[str, str]:
        """Return the names that a record's names stand for, those that are not sent as they are."""
        if self._all_names.issuperset(record):
            return {}
        return match_names((name for name in record if isinstance(name, str)), self._all_names)


def row_type(model: Model) -> type[msgspec.Struct] | None:
    """Return the struct type of a record: numeric features first, then categorical ones, None where missing.

    None for models with a feature whose name it cannot match: one with quotes, backslashes or control characters.
    """
    if any(set(name) & {'"', "\\"} or not name.isprintable() for name in model.names):
        return None
    number = Annotated[float, msgspec.Meta(ge=-FLOAT32_MAX, le=FLOAT32_MAX)]
    text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
    kinds: dict[str, Any] = {
        "numeric": number | None,
        "boolean": bool | Literal[0, 1] | None,
        "categorical": text | None,
        "date": text | None,
        "text": str | None,
    }
    ordered = [*model.numeric, *model.categorical]
    fields = [(f"f{i}", kinds[feature.kind], None) for i, feature in enumerate(ordered)]
    rename = {f"f{i}": feature.name for i, feature in enumerate(ordered)}
    return msgspec.defstruct("Row", fields, rename=rename, forbid_unknown_fields=True, gc=False)


def _number(value: object, feature: Feature, cells: Cells) -> float | None:
    """Return a finite number that float32 can hold, NaN for a word that means missing, or None for what is neither."""
    if isinstance(value, str):
        try:
            return cells.number(value)
        except ValueError:
            return None
    if feature.kind == "boolean":
        return float(value) if isinstance(value, int | float) and value in {0, 1} else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and abs(number) <= FLOAT32_MAX else None


def _text(value: object, cells: Cells) -> str | None:
    """Return a category, a date or the words of a text, "" for a word that means missing, or None for what is neither."""
    if isinstance(value, bool):
        value = "true" if value else "false"
    elif isinstance(value, float):
        if not math.isfinite(value):
            return None
        value = str(int(value)) if value.is_integer() else repr(value)
    elif isinstance(value, int):
        value = str(value)
    if not isinstance(value, str) or (len(value) > MAX_TEXT and cells.kind != "text"):
        return None
    try:
        return cells.text(value)
    except ValueError:
        return None


def _unknown(model: Model) -> str:
    return f"Unknown. The model has: {listed(model.names, SHOWN_NAMES)}."


def _expected(feature: Feature) -> str:
    if feature.kind == "boolean":
        return "Expected true, false or null."
    if feature.kind == "categorical":
        return f"Expected text, for example {', '.join(map(repr, feature.categories[:5]))}, or null."
    if feature.kind == "text":
        return "Expected text, or null."
    if feature.kind == "date":
        return "Expected a date such as 2020-01-31 or 2020-01-31T14:05:00, or null."
    span = "" if feature.low is None or feature.high is None else f", usually {feature.low:g} to {feature.high:g}"
    how = " with a decimal comma if it is text, such as '7,5'" if feature.reading.decimal == "," else ""
    return f"Expected a finite number{how}{span}, or null."


def _shown(value: object) -> Scalar:
    text = value if isinstance(value, str) else repr(value)
    return value if isinstance(value, bool) or value is None else text[:100]
