"""Predictions for a whole table: paste or upload, look at the first rows, download all of them."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from typing import IO, Final
from urllib.parse import quote

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from app.frontend import about, sheets
from app.frontend.client import PredictionApi
from app.frontend.form import examples, texts_of
from app.frontend.problems import InputRejectedError, ModelReplacedError, ResultExpiredError, UnreadableTableError
from app.frontend.site import Site
from app.frontend.store import ResultStore
from app.frontend.views import Preview, TablePage
from app.web.templating import respond
from pipeline.core.bundle import Manifest
from pipeline.core.problems import ProblemError

TRIES: Final = 3
LONGEST_ECHO: Final = 100_000  # characters of pasted text that the page shows again


async def table(request: Request) -> Response:
    """`GET /table`: where to paste or upload; POST: the first rows with their predictions, and a link to all."""
    site = Site.of(request)
    manifest = await site.api.manifest()
    if request.method != "POST":
        text = _sample(manifest) if "sample" in request.query_params else ""
        return respond(site.env, request, _page(site, manifest, text=text))
    async with request.form(max_files=1, max_part_size=site.settings.table_bytes) as form:
        upload, given = form.get("file"), form.get("text")
        pasted = given if isinstance(given, str) else ""
        source = ResultStore.new_file()
        name = "table.csv"
        if isinstance(upload, UploadFile) and upload.filename:
            name, pasted = upload.filename, ""
            await asyncio.to_thread(_copy, upload.file, source)
        else:
            await asyncio.to_thread(source.write, pasted.encode("utf-8", "replace"))
    try:
        preview = await _predicted(site, manifest, source, name)
    except (InputRejectedError, UnreadableTableError, ModelReplacedError) as problem:
        page = _page(site, manifest, text=pasted, problem=problem)
        return respond(site.env, request, page, status=problem.status)
    finally:
        source.close()
    return respond(site.env, request, _page(site, manifest, text=pasted, preview=preview))


async def download(request: Request) -> Response:
    """`GET /table/{token}.csv`: the whole result, as a file."""
    site = Site.of(request)
    stored = site.results.get(request.path_params["token"])
    if stored is None:
        raise ResultExpiredError
    # A handle of its own: the result may be dropped while it is being read.
    handle = os.dup(stored.file.fileno())
    return StreamingResponse(
        _pieces(handle, stored.size_bytes),
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(stored.name)}",
            "Content-Length": str(stored.size_bytes),
            "Content-Security-Policy": "sandbox",
        },
    )


async def _pieces(handle: int, size_bytes: int) -> AsyncIterator[bytes]:
    try:
        at = 0
        while at < size_bytes:
            piece = await asyncio.to_thread(os.pread, handle, 4 * sheets.CHUNK_BYTES, at)
            at += len(piece)
            yield piece
    finally:
        os.close(handle)


async def _predicted(site: Site, manifest: Manifest, source: IO[bytes], name: str) -> Preview:
    """Send `source` through the API. Nothing is held in memory but the rows that are shown."""
    header, delimiter = await asyncio.to_thread(sheets.read_head, source)
    for _ in range(TRIES):
        result = ResultStore.new_file()
        try:
            summary = await _exchange(site.api, manifest, source, delimiter, result)
            live = await site.api.manifest()
        except BaseException:
            result.close()
            raise
        if live.version == manifest.version:
            return _preview(site, summary, result, header, name)
        # The model was replaced on the way: one table must not hold the answers of two.
        result.close()
        manifest = live
    raise ModelReplacedError


async def _exchange(
    api: PredictionApi, manifest: Manifest, source: IO[bytes], delimiter: str, result: IO[bytes]
) -> sheets.Summary:
    collector = sheets.Collector(result, is_value=manifest.task == "regression")
    pieces = sheets.blocks(source, delimiter)
    while piece := await asyncio.to_thread(next, pieces, b""):
        await asyncio.to_thread(collector.take, await api.table(piece))
    return collector.summary


def _preview(site: Site, summary: sheets.Summary, result: IO[bytes], header: list[str], name: str) -> Preview:
    token = site.results.add(result, f"{name.rsplit('.', 1)[0]}-predictions.csv")
    stored = site.results.get(token)
    n_good = summary.n_rows - summary.n_failed
    return Preview(
        header=tuple(summary.header),
        n_given=len(header),
        numeric=_numeric(summary),
        rows=tuple(tuple(row) for row in summary.rows),
        n_rows=summary.n_rows,
        n_failed=summary.n_failed,
        errors=tuple(summary.errors),
        counts=tuple(
            (answer_, n, round(100 * n / n_good, 2)) for answer_, n in summary.answers.most_common(sheets.SHOWN_COUNTS)
        ),
        spread=summary.spread,
        download_url=f"/table/{token}.csv",
        size_bytes=stored.size_bytes if stored else 0,
    )


def _numeric(summary: sheets.Summary) -> tuple[bool, ...]:
    """Which columns of the preview hold numbers only, for their alignment."""
    columns = zip(*summary.rows, strict=False)
    return tuple(all(_is_number(cell) for cell in column if cell) for column in columns) or (False,) * len(
        summary.header
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _copy(upload: IO[bytes], target: IO[bytes]) -> None:
    upload.seek(0)
    shutil.copyfileobj(upload, target)


def _page(
    site: Site,
    manifest: Manifest,
    *,
    text: str = "",
    preview: Preview | None = None,
    problem: ProblemError | None = None,
) -> TablePage:
    return TablePage(
        model=about.describe(manifest),
        columns=tuple(feature.name for feature in manifest.features),
        sample=_sample(manifest),
        limit_bytes=site.settings.table_bytes,
        text=text[:LONGEST_ECHO],
        preview=preview,
        problem=problem,
    )


def _sample(manifest: Manifest) -> str:
    """A small table that works, made of the example rows."""
    rows = [list(texts_of(row).values()) for row in examples(manifest)[:3]]
    return sheets.written([[feature.name for feature in manifest.features], *rows])
