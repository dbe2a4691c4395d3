"""POST /predict/csv: a table streams in and comes back with predictions, whatever its length.

Columns that the model does not know pass through untouched; a value that it cannot take makes that row's `error`, not
the request's. Rows are scored in blocks, so memory does not grow with the table.
"""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from app.prediction.http.service import PredictionService, Sender, Service
from app.prediction.problems import RowQuotaError
from app.prediction.protocols.csv_cells import expected, known_columns, rows_of, value, with_names
from app.prediction.protocols.problems import InvalidTableError
from app.prediction.scoring.loaded_model import LoadedModel
from app.prediction.scoring.responses import build_responses
from app.prediction.settings import ApiSettings
from app.web.body_limit import stream_body
from pipeline.core.manifest import Scalar
from pipeline.core.problems import ProblemError
from pipeline.core.sentences import listed

BLOCK_ROWS: Final = 1_000
INLINE_ROWS: Final = 16  # more take longer than handing them to a thread
SHOWN_NAMES: Final = 20
NOT_FINITE: Final = "The model has no finite prediction for this row: its values are too large."

router = APIRouter(tags=["prediction"])


@router.post("/predict/csv", summary="Predict for each row of a CSV table", response_class=StreamingResponse)
async def predict_csv(request: Request, service: Service) -> StreamingResponse:
    """Send CSV with a header line; the response is the same table, separated by commas, with `prediction`, `probability`,
    `error` and `remark` added: a remark says what was imputed or not understood.
    """
    loaded = service.live_model
    if service.quota is not None:
        service.quota.check(request.scope["sender"].caller)
    table = _Table(loaded, service, request)
    # Blank lines are no rows, above the header neither.
    chunks = stream_body(request.receive, service.stream_limits)
    lines = (cells async for cells in rows_of(chunks, loaded.model.names, loaded.model.manifest.delimiter) if cells)
    header = await anext(lines, None)
    table.start(header)
    return _WhileReading(table, lines, service.settings)


class _WhileReading(StreamingResponse):
    """Responds while the request is still being read, and reads on while the client does not take the response.

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
        # It ends before the table does only by failing; nothing else would wake what waits for room then.
        sending.add_done_callback(lambda _: self._has_room.set())
        try:
            async for piece in self.body_iterator:
                assert isinstance(piece, bytes)
                self._n_waiting_bytes += len(piece)
                self._waiting.put_nowait(piece)
                while self._n_waiting_bytes > self._settings.max_body_bytes and not sending.done():
                    self._has_room.clear()
                    await self._has_room.wait()
                if sending.done():
                    break
            self._waiting.put_nowait(None)
            # Nobody reads the rest of a table that broke off: the client has to take the answer soon.
            await asyncio.wait_for(sending, self._settings.body_timeout_s if self._table.is_cut_off else None)
        except OSError as error:  # sending failed, or took too long
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
    def __init__(self, loaded: LoadedModel, service: PredictionService, request: Request) -> None:
        self._live_model = loaded
        self._service = service
        self._request_id: str = request.scope["request_id"]
        self._sender: Sender = request.scope["sender"]
        self._columns: list[str] = []
        self._names: list[str] = []
        self._known: dict[str, str] = {}  # the feature of each column that stands for one
        self._features = {feature.name: feature for feature in loaded.model.manifest.features}
        self._table_remark = ""  # for the first row
        self._classes = loaded.model.task != "regression"
        self.is_cut_off = False  # by a problem of the whole table, in the middle of it

    def start(self, header: list[str] | None) -> None:
        """Store the header line. Raises InvalidTableError API-09 (400) for a table without this model's features."""
        if header is None or not any(cell.strip() for cell in header):
            raise InvalidTableError("The body is empty.")
        model = self._live_model.model
        self._names = with_names(header, model)
        self._known = known_columns(self._names, model, self._service.settings.required_feature_share)
        matched = [f"{sent} = {name}" for sent, name in self._known.items() if sent != name]
        absent = [name for name in model.names if name not in self._known.values()]
        remarks = [f"columns taken for features: {listed(matched, SHOWN_NAMES)}"] * bool(matched)
        remarks += [f"features that no column has: {listed(absent, SHOWN_NAMES)}"] * bool(absent)
        self._table_remark = "; ".join(remarks)
        self._columns = header

    async def answer(self, lines: AsyncIterator[list[str]]) -> AsyncIterator[bytes]:
        added = ["prediction", "probability", "error", "remark"] if self._classes else ["prediction", "error", "remark"]
        yield _csv([[*self._columns, *added]])
        block: list[list[str]] = []
        ended_by: ProblemError | None = None
        try:
            async for cells in lines:
                block.append(cells)
                if len(block) >= BLOCK_ROWS:
                    yield await self._block(block)
                    block = []
        except RowQuotaError as problem:  # for this block: what came before it is answered
            ended_by, self.is_cut_off, block = problem, True, []
        except ProblemError as problem:  # in the middle of the table
            ended_by, self.is_cut_off = problem, True
        if block:
            try:
                yield await self._block(block)
            except RowQuotaError as problem:
                ended_by = ended_by or problem
        if ended_by is not None:
            blank = [""] * (len(self._columns) + len(added) - 2)
            yield _csv([[*blank, str(ended_by), ""]])

    async def _block(self, block: list[list[str]]) -> bytes:
        # A large block would block the event loop for other requests.
        return self._rows(block) if len(block) <= INLINE_ROWS else await asyncio.to_thread(self._rows, block)

    def _rows(self, block: list[list[str]]) -> bytes:
        parsed = [self._record(cells) for cells in block]
        predicted = iter(self._answered([record for record, error in parsed if not error]))
        out: list[list[object]] = []
        for cells, (_, error) in zip(block, parsed, strict=True):
            padded = [*cells[: len(self._columns)], *[""] * (len(self._columns) - len(cells))]
            prediction, probability, error_text, remark = ["", "", error, ""] if error else next(predicted)
            if self._table_remark:
                remark, self._table_remark = "; ".join(filter(None, [self._table_remark, str(remark)])), ""
            values = (
                [prediction, probability, error_text, remark] if self._classes else [prediction, error_text, remark]
            )
            out.append([*padded, *values])
        return _csv(out)

    def _answered(self, records: list[dict[str, Scalar]]) -> list[list[object]]:
        """Return prediction, probability, error and remark of each valid record."""
        if not records:
            return []
        loaded = self._live_model
        rows = loaded.reader.filled(records)
        scores, are_finite = self._service.score_each(loaded, rows, self._sender)
        responses = build_responses(loaded.model, rows, scores, self._request_id)
        return [
            [_text(each["prediction"]), each.get("probability", ""), "", self._remark(each)]
            if is_finite
            else ["", "", NOT_FINITE, ""]
            for each, is_finite in zip(responses, are_finite.tolist(), strict=True)
        ]

    def _record(self, cells: list[str]) -> tuple[dict[str, Scalar], str]:
        if len(cells) > len(self._columns):
            return {}, f"{len(cells)} cells where the header has {len(self._columns)}."
        record: dict[str, Scalar] = {}
        for name, cell in zip(self._names, cells, strict=False):
            feature = self._known.get(name)
            if feature is None:
                continue
            try:
                record[feature] = value(cell, self._live_model.model, feature)
            except ValueError:
                return {}, f"{name}: {cell[:60]!r} is not {expected(self._features[feature])}."
        return record, ""

    def _remark(self, answer: dict[str, Any]) -> str:
        """Return what was not understood of a row: missing values of columns that the table has, and unseen categories."""
        present = set(self._known.values())
        imputed = [name for name in answer["imputed"] if name in present]
        remarks = [f"imputed: {', '.join(imputed)}"] * bool(imputed)
        remarks += [f"not seen in training: {', '.join(answer['unseen'])}"] * bool(answer["unseen"])
        return "; ".join(remarks)


def _text(value: object) -> object:
    return ("true" if value else "false") if isinstance(value, bool) else value


def _csv(rows: list[list[object]] | list[list[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()
