"""POST /predict/csv: a table streams in and comes back with predictions, whatever its length.

Columns that the model does not know pass through untouched; a value that it cannot take makes that row's `error`, not
the request's. Rows are scored in blocks, so memory does not grow with the table.
"""

import asyncio
import codecs
import csv
import io
from collections.abc import AsyncIterator, Iterator, Sequence
from math import nan
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from app.prediction.answers import answers
from app.prediction.body import body_stream
from app.prediction.rows import FLOAT32_MAX, MAX_TEXT
from app.prediction.served import Served
from app.prediction.service import PredictionService
from app.prediction.settings import ApiSettings
from pipeline.bundle import Feature, Scalar
from pipeline.errors import ProblemError

BLOCK_ROWS: Final = 1_000
MAX_LINE: Final = 2**20  # a quote that is never closed would otherwise collect the whole table
# What training takes as missing in a table, wherever it stands.
MISSING: Final = frozenset(
    (
        *("", "?", "-", "--", ".", "NA", "N.A.", "n.a.", "na", "missing", "unknown?", "#N/A", "nil", "N/A", "n/a"),
        *("NaN", "nan", "-NaN", "-nan", "NULL", "null", "None", "<NA>", "#N/A N/A", "#NA"),
        *("-1.#IND", "-1.#QNAN", "1.#IND", "1.#QNAN"),
    )
)
MISSING_NUMBERS: Final = frozenset({"na", "n/a", "nan", "null", "none"})  # in any case, where a number is expected
EXPECTED: Final = {
    "numeric": "a number",
    "boolean": "a yes or no",
    "categorical": f"a text of at most {MAX_TEXT:,} characters",
}
NOT_FINITE: Final = "The model has no finite answer for this row: its values are too large."
BOOLEANS: Final = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}


def router(service: PredictionService) -> APIRouter:
    """The route."""
    routes = APIRouter()

    @routes.post("/predict/csv", summary="Predict for each row of a CSV table", response_class=StreamingResponse)
    async def predict_csv(request: Request) -> StreamingResponse:
        """CSV with a header line in, the same table with `prediction`, `probability` and `error` out."""
        served = service.served
        table = _Table(served, service, request.scope["request_id"])
        lines = _lines(body_stream(request.receive, service.settings))
        header = await anext(lines, None)
        table.start(header)
        return _WhileReading(table, lines, service.settings)

    return routes


class _WhileReading(StreamingResponse):
    """Answers while the request is still read, and reads on while the answer is not taken.

    Most clients send their whole table before they read: up to as many bytes of the answer as a body may have wait for
    them. Who sends a larger table has to read meanwhile.
    """

    def __init__(self, table: "_Table", lines: AsyncIterator[list[str]], settings: ApiSettings) -> None:
        super().__init__(table.answer(lines), media_type="text/csv; charset=utf-8")
        self._table = table
        self._settings = settings
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._n_waiting_bytes = 0
        self._has_room = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """See StreamingResponse, whose own takes the request's messages to see the client leave: rows of the table."""
        sending = asyncio.create_task(self._send(send))
        try:
            async for piece in self.body_iterator:
                assert isinstance(piece, bytes)
                self._n_waiting_bytes += len(piece)
                self._waiting.put_nowait(piece)
                while self._n_waiting_bytes > self._settings.max_body_bytes and not sending.done():
                    self._has_room.clear()
                    await self._has_room.wait()
            self._waiting.put_nowait(None)
            # Nobody reads the rest of a table that broke off: the client has to take the answer soon.
            await asyncio.wait_for(sending, self._settings.body_timeout_s if self._table.is_cut_off else None)
        except TimeoutError as error:
            raise ClientDisconnect from error
        finally:
            sending.cancel()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        while (piece := await self._waiting.get()) is not None:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            self._n_waiting_bytes -= len(piece)
            self._has_room.set()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class _Table:
    def __init__(self, served: Served, service: PredictionService, request_id: str) -> None:
        self._served = served
        self._service = service
        self._request_id = request_id
        self._columns: list[str] = []
        self._features = {feature.name: feature for feature in served.model.manifest.features}
        self._classes = served.model.task != "regression"
        self.is_cut_off = False  # by a problem of the whole table, in the middle of it

    def start(self, header: list[str] | None) -> None:
        """Take the header line. Raises ProblemError API-09 (400) when the table cannot be for this model."""
        if header is None or not any(cell.strip() for cell in header):
            raise _no_table("The body is empty.")
        known = [name for name in header if name in self._features]
        if not known:
            raise _no_table(f"None of its columns is a feature of the model: {', '.join(header)[:200]}.")
        twice = sorted({name for name in known if known.count(name) > 1})
        if twice:
            raise _no_table(f"Columns stand there twice: {', '.join(twice)[:200]}.")
        self._columns = header

    async def answer(self, lines: AsyncIterator[list[str]]) -> AsyncIterator[bytes]:
        added = ["prediction", "probability", "error"] if self._classes else ["prediction", "error"]
        yield _csv([[*self._columns, *added]])
        block: list[list[str]] = []
        ended_by: ProblemError | None = None
        try:
            async for cells in lines:
                if not cells:
                    continue
                block.append(cells)
                if len(block) >= BLOCK_ROWS:
                    yield await self._block(block)
                    block = []
        except ProblemError as problem:  # in the middle of the table: what came before it is answered
            ended_by, self.is_cut_off = problem, True
        if block:
            yield await self._block(block)
        if ended_by is not None:
            blank = [""] * (len(self._columns) + len(added) - 1)
            yield _csv([[*blank, str(ended_by)]])

    async def _block(self, block: list[list[str]]) -> bytes:
        taken = [self._record(cells) for cells in block]
        found = iter(await self._answered([record for record, error in taken if not error]))
        out: list[list[object]] = []
        for cells, (_, error) in zip(block, taken, strict=True):
            padded = [*cells[: len(self._columns)], *[""] * (len(self._columns) - len(cells))]
            values = ["", "", error] if error else next(found)
            out.append([*padded, *(values if self._classes else (values[0], values[2]))])
        return _csv(out)

    async def _answered(self, records: list[dict[str, Scalar]]) -> list[list[object]]:
        """Prediction, probability and error for each of these valid records."""
        if not records:
            return []
        served = self._served
        rows = served.reader.filled(records)
        scores, are_finite = await self._service.score_each(served, rows)
        found = answers(served.model, rows, scores, self._request_id)
        return [
            [_text(each["prediction"]), each.get("probability", ""), ""] if is_finite else ["", "", NOT_FINITE]
            for each, is_finite in zip(found, are_finite.tolist(), strict=True)
        ]

    def _record(self, cells: list[str]) -> tuple[dict[str, Scalar], str]:
        if len(cells) > len(self._columns):
            return {}, f"{len(cells)} cells where the header has {len(self._columns)}."
        record: dict[str, Scalar] = {}
        for name, cell in zip(self._columns, cells, strict=False):
            feature = self._features.get(name)
            if feature is None:
                continue
            try:
                record[name] = _value(cell, feature)
            except ValueError:
                return {}, f"{name}: {cell[:60]!r} is not {EXPECTED[feature.kind]}."
        return record, ""


def parse_table(raw: bytes, features: Sequence[Feature]) -> list[dict[str, Scalar]]:
    """The records of a whole CSV table with a header line; other columns than `features` are refused by the reader.

    Raises ProblemError API-09 (400) for what is no such table; a cell that is no number stays text.
    """
    try:
        lines = [cells for cells in _parse(raw.decode("utf-8-sig")) if cells]
    except UnicodeDecodeError as error:
        raise _no_table("It is not UTF-8 text.") from error
    if not lines:
        raise _no_table("The body is empty.")
    header, *rows = lines
    if len(set(header)) < len(header):
        raise _no_table("A column stands there twice.")
    by_name = {feature.name: feature for feature in features}
    records: list[dict[str, Scalar]] = []
    for number, cells in enumerate(rows):
        if len(cells) != len(header):
            raise _no_table(f"Row {number} has {len(cells)} cells where the header has {len(header)}.")
        record: dict[str, Scalar] = {}
        for name, cell in zip(header, cells, strict=True):
            feature = by_name.get(name)
            try:
                record[name] = cell if feature is None else _value(cell, feature)
            except ValueError:
                record[name] = cell
        records.append(record)
    return records


def _value(cell: str, feature: Feature) -> Scalar:
    text = cell.strip()
    if feature.kind == "categorical":
        if len(text) > MAX_TEXT:
            raise ValueError(text)
        # A Parquet table may hold such a word as a category.
        return None if text in MISSING and text not in feature.categories else text
    if text in MISSING or text.lower() in MISSING_NUMBERS:
        return None
    if feature.kind == "boolean" and text.lower() in BOOLEANS:
        return BOOLEANS[text.lower()]
    # Python also reads "1_000" as a number; a table does not mean one by it.
    number = nan if "_" in text else float(text)
    if not abs(number) <= FLOAT32_MAX or (feature.kind == "boolean" and number not in {0, 1}):
        raise ValueError(text)
    return number


def _text(value: object) -> object:
    return ("true" if value else "false") if isinstance(value, bool) else value


def _csv(rows: list[list[object]] | list[list[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[str]]:
    """Parsed lines. Raises ProblemError API-09 for what is not UTF-8 or has an endless line."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    pending, enough = "", 0
    async for chunk in chunks:
        pending += _decoded(decoder, chunk)
        if len(pending) < enough:
            continue
        end = pending.rfind("\n") + 1
        lines = io.StringIO(pending[:end], newline="").readlines()
        # A blank line more ends the last row, or is taken into it where a quote is open: that row is not whole yet.
        rows = csv.reader([*lines, "\n"])
        n_whole = 0
        try:
            for cells in rows:
                if rows.line_num > len(lines):
                    break
                yield cells
                n_whole = rows.line_num
        except csv.Error as error:
            raise _no_table(f"{error}.") from error
        pending = "".join(lines[n_whole:]) + pending[end:]
        # A row that comes in crumbs is not read again at each of them.
        enough = 2 * len(pending)
        if len(pending) > MAX_LINE:
            raise _no_table("A line does not end; is a quote not closed?")
    pending += _decoded(decoder, b"", final=True)
    for cells in _parse(pending):
        yield cells


def _decoded(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> str:
    try:
        return decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        raise _no_table("It is not UTF-8 text.") from error


def _parse(text: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.StringIO(text, newline=""))
    except csv.Error as error:
        raise _no_table(f"{error}.") from error


def _no_table(why: str) -> ProblemError:
    return ProblemError(
        "API-09",
        "The body is not a table that can be read.",
        why=why,
        fix="Send CSV in UTF-8, separated by commas, with the model's features in its header line.",
        status=400,
    )
