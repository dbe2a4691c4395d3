"""Predictions for a whole table: paste or upload, look at the first rows, download all of them."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from typing import IO, Final
from urllib.parse import quote

from jinja2 import Environment
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from app.frontend import csv_tables
from app.frontend.client import PredictionApi
from app.frontend.form import example_rows, input_texts
from app.frontend.model_summary import summarize_model
from app.frontend.problems import InputRejectedError, ModelReplacedError, ResultExpiredError, UnreadableTableError
from app.frontend.result_store import ResultStore, StoredResult
from app.frontend.settings import Settings
from app.frontend.views import Preview, TablePage
from app.web.app_objects import provided_object
from app.web.templating import render_response
from pipeline.core.manifest import Manifest
from pipeline.core.problems import ProblemError

MAX_TRIES: Final = 3
MAX_ECHO_CHARS: Final = 100_000  # of pasted text that the page shows again


async def show_table_form(request: Request) -> Response:
    """Return the page where to paste or upload a table, with an example in it for `?sample`."""
    manifest = await provided_object(request.app, PredictionApi).manifest()
    text = _sample(manifest) if "sample" in request.query_params else ""
    return _render(request, _page(provided_object(request.app, Settings), manifest, text=text))


async def predict_table(request: Request) -> Response:
    """Return the first rows with their predictions, and a link to all of them."""
    api = provided_object(request.app, PredictionApi)
    settings = provided_object(request.app, Settings)
    manifest = await api.manifest()
    with ResultStore.new_file() as source:
        text, name = await _receive(request, source, settings.table_bytes)
        try:
            summary, result = await _predict(api, manifest, source)
        except (InputRejectedError, UnreadableTableError, ModelReplacedError) as problem:
            page = _page(settings, manifest, text=text, problem=problem)
            return _render(request, page, status=problem.status)
    stored = provided_object(request.app, ResultStore).add(result, f"{name.rsplit('.', 1)[0]}-predictions.csv")
    return _render(request, _page(settings, manifest, text=text, preview=_preview(summary, stored)))


async def download_result(request: Request) -> Response:
    """Return the whole result, as a file. Raises APP-08."""
    stored = provided_object(request.app, ResultStore).get(request.path_params["token"])
    if stored is None:
        raise ResultExpiredError
    # A handle of its own: the result may be dropped while it is being read.
    handle = os.dup(stored.file.fileno())
    return StreamingResponse(
        _chunks(handle, stored.size_bytes),
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(stored.name)}",
            "Content-Length": str(stored.size_bytes),
            "Content-Security-Policy": "sandbox",
        },
    )


def _render(request: Request, page: TablePage, *, status: int = 200) -> Response:
    return render_response(provided_object(request.app, Environment), request, page, status=status)


async def _receive(request: Request, target: IO[bytes], max_bytes: int) -> tuple[str, str]:
    """Write the uploaded file or the pasted text into `target`. Returns the pasted text and the file's name."""
    async with request.form(max_files=1, max_part_size=max_bytes) as form:
        upload, text = form.get("file"), form.get("text")
        if isinstance(upload, UploadFile) and upload.filename:
            await asyncio.to_thread(_copy, upload.file, target)
            return "", upload.filename
        pasted = text if isinstance(text, str) else ""
        await asyncio.to_thread(target.write, pasted.encode("utf-8", "replace"))
        return pasted, "table.csv"


async def _chunks(handle: int, size_bytes: int) -> AsyncIterator[bytes]:
    try:
        offset = 0
        while offset < size_bytes:
            chunk = await asyncio.to_thread(os.pread, handle, 4 * csv_tables.CHUNK_BYTES, offset)
            offset += len(chunk)
            yield chunk
    finally:
        os.close(handle)


async def _predict(
    api: PredictionApi, manifest: Manifest, source: IO[bytes]
) -> tuple[csv_tables.TableSummary, IO[bytes]]:
    """Send `source` through the API. Nothing is held in memory but the rows that are shown. Raises APP-09."""
    header, delimiter = await asyncio.to_thread(csv_tables.read_head, source)
    for _ in range(MAX_TRIES):
        result = ResultStore.new_file()
        collector = csv_tables.ResultCollector(result, n_input_columns=len(header), task=manifest.task)
        blocks = csv_tables.read_blocks(source, delimiter)
        try:
            while block := await asyncio.to_thread(next, blocks, b""):
                await asyncio.to_thread(collector.add, await api.table(block))
            live = await api.manifest()
        except BaseException:
            result.close()
            raise
        if live.version == manifest.version:
            return collector.summary, result
        # The model was replaced meanwhile: one table must not hold the predictions of two.
        result.close()
        manifest = live
    raise ModelReplacedError


def _preview(summary: csv_tables.TableSummary, stored: StoredResult) -> Preview:
    n_predicted = summary.n_rows - summary.n_failed
    return Preview(
        header=tuple(summary.header),
        n_input_columns=summary.n_input_columns,
        is_numeric=summary.numeric_columns(),
        rows=tuple(_preview_row(row, summary.n_input_columns) for row in summary.rows),
        n_rows=summary.n_rows,
        n_failed=summary.n_failed,
        errors=tuple(summary.errors),
        counts=tuple(
            (label, n, round(100 * n / n_predicted, 2))
            for label, n in summary.predictions.most_common(csv_tables.MAX_COUNTS)
        ),
        prediction_range=summary.range_text,
        download_url=f"/table/{stored.token}.csv",
        size_bytes=stored.size_bytes,
        remark=summary.remark,
        n_remarks=summary.n_remarks,
    )


def _preview_row(row: list[str], n_input_columns: int) -> tuple[str, ...]:
    predictions = (csv_tables.shorten_number(cell) for cell in row[n_input_columns:])
    return (*row[:n_input_columns], *predictions)


def _copy(upload: IO[bytes], target: IO[bytes]) -> None:
    upload.seek(0)
    shutil.copyfileobj(upload, target)


def _page(
    settings: Settings,
    manifest: Manifest,
    *,
    text: str = "",
    preview: Preview | None = None,
    problem: ProblemError | None = None,
) -> TablePage:
    return TablePage(
        model=summarize_model(manifest),
        columns=tuple(feature.name for feature in manifest.features),
        sample=_sample(manifest),
        limit_bytes=settings.table_bytes,
        text=text[:MAX_ECHO_CHARS],
        preview=preview,
        problem=problem,
    )


def _sample(manifest: Manifest) -> str:
    """Return a small table that works, made of the example rows."""
    rows = [list(input_texts(manifest, row).values()) for row in example_rows(manifest)[:3]]
    return csv_tables.format_rows([[feature.name for feature in manifest.features], *rows])


ROUTES: Final = (
    Route("/table", show_table_form),
    Route("/table", predict_table, methods=["POST"]),
    Route("/table/{token}.csv", download_result),
)
