"""Receiving a table: one at a time, straight to the disk, whole or not at all."""

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fastapi import FastAPI
from starlette.types import Message

from app.panel.audit.log import AuditLog
from app.panel.clock import SystemClock
from app.panel.datasets import api
from app.panel.datasets.preview import PreviewLimits, Previews
from app.panel.datasets.problems import TableWriteError
from app.panel.datasets.service import Datasets
from app.panel.datasets.uploads import Uploads
from app.panel.db.engine import Database
from app.panel.disk_room import MIN_FREE_BYTES
from app.panel.pages import error_handlers
from app.panel.pages.renderer import PageRenderer
from app.panel.settings import Settings
from app.web.app_objects import provide
from pipeline.core.params import Params
from tests.builders.disks import SmallDisk

FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n%s\r\n'
FIELD = b'--b\r\nContent-Disposition: form-data; name="replace"\r\n\r\n%s\r\n'
END = b"--b--\r\n"
TABLE = FILE % (b"a.csv", b"x,y\n1,2\n")
MULTIPART = b"multipart/form-data; boundary=b"


class Usage(NamedTuple):
    """The result of shutil.disk_usage."""

    total: int
    used: int
    free: int


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    # Whatever would be spooled there fails.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    clock = SystemClock()
    app = FastAPI()
    datasets = Datasets(tmp_path, clock, AuditLog(Database(tmp_path / "panel.db"), clock))
    # Whatever arrives is a table: this is about how it arrives.
    content = (sys.executable, "-c", "print('{}')")
    previews = Previews(tmp_path, datasets, PreviewLimits(0), next_params=Params, command=content)
    provide(app, (datasets, previews, Uploads(tmp_path)))
    error_handlers.install(app, PageRenderer(Settings(), clock))
    app.include_router(api.router)
    return app


class Sent:
    """A request whose body is sent step by step."""

    def __init__(self, app: FastAPI, *, kind: bytes = MULTIPART, length: int | None = None) -> None:
        self._body: asyncio.Queue[Message] = asyncio.Queue()
        self.n_reads = self._n_sent = 0
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.answer: dict[str, Any] = {}
        headers = [(b"content-type", kind)]
        if length is not None:
            headers.append((b"content-length", b"%d" % length))
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/api/v1/datasets",
            "query_string": b"",
            "scheme": "http",
            "headers": headers,
            "app": app,
        }
        self.done = asyncio.create_task(app(scope, self._receive, self._send))

    async def send(self, body: bytes, *, is_last: bool = False) -> None:
        """Send a piece of the body, and return when more is asked for or the answer is there."""
        self._n_sent += 1
        self._body.put_nowait({"type": "http.request", "body": body, "more_body": not is_last})
        while self.n_reads <= self._n_sent and not self.done.done():
            await asyncio.wait({self.done}, timeout=0.005)

    async def finish(self, body: bytes) -> tuple[int, str]:
        """Send the rest; return the status and the problem's id or the table's name."""
        await self.send(body, is_last=True)
        return await self.answered()

    async def answered(self) -> tuple[int, str]:
        await asyncio.wait_for(self.done, 10)
        return self.status, str(self.answer.get("id", self.answer.get("name")))

    def vanish(self) -> None:
        self._body.put_nowait({"type": "http.disconnect"})

    async def _receive(self) -> Message:
        self.n_reads += 1
        return await self._body.get()

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        elif message["body"]:
            self.answer = json.loads(message["body"])


def parts(folder: Path) -> list[int]:
    """Return the sizes of what has arrived of uploads."""
    return [path.stat().st_size for path in (folder / "raw").glob(".upload-*")]


@asynccontextmanager
async def uploading(app: FastAPI) -> AsyncIterator[Sent]:
    first = Sent(app)
    await first.send(b"")
    yield first
    assert await first.finish(TABLE + END) == (201, "a.csv")


def test_second_upload_is_refused_unread_when_one_is_under_way(app: FastAPI) -> None:
    async def upload() -> None:
        async with uploading(app):
            second = Sent(app)
            assert await second.answered() == (429, "FILE-07")
            assert (second.n_reads, int(second.headers[b"retry-after"])) == (0, 5)
        assert await Sent(app).finish(FILE % (b"b.csv", b"1") + END) == (201, "b.csv")

    asyncio.run(upload())


@pytest.mark.parametrize("how", ["vanishes", "is cancelled", "is malformed", "has a bad name"])
def test_place_is_free_and_nothing_is_left_when_an_upload_fails(app: FastAPI, tmp_path: Path, how: str) -> None:
    async def upload() -> None:
        failing = Sent(app)
        await failing.send(TABLE[:-4])
        assert len(parts(tmp_path)) == 1
        if how == "vanishes":
            failing.vanish()
            await failing.answered()
        elif how == "is cancelled":
            failing.done.cancel()
            await asyncio.wait({failing.done})
        elif how == "is malformed":
            assert await failing.finish(b"no end") == (422, "WEB-06")
        else:
            failing.vanish()
            await failing.answered()
            assert await Sent(app).finish(FILE % (b"../a.csv", b"1") + END) == (422, "FILE-01")
        assert parts(tmp_path) == []
        assert await Sent(app).finish(TABLE + END) == (201, "a.csv")
        assert [path.name for path in (tmp_path / "raw").iterdir()] == ["a.csv"]

    asyncio.run(upload())


def test_table_is_refused_unread_when_it_does_not_fit_the_disk(
    app: FastAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def upload(length: int | None) -> tuple[int, str]:
        sent = Sent(app, length=length)
        answer = await sent.finish(TABLE + END) if length == 100 else await sent.answered()
        assert sent.n_reads == 0 or length == 100
        return answer

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, MIN_FREE_BYTES + 4096))
    assert asyncio.run(upload(5000)) == (507, "DISK-04")
    assert asyncio.run(upload(100)) == (201, "a.csv")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, MIN_FREE_BYTES - 1))
    assert asyncio.run(upload(None)) == (507, "DISK-04")
    assert parts(tmp_path) == []


def test_upload_ends_and_leaves_nothing_when_the_disk_fills_meanwhile(
    app: FastAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def upload() -> None:
        sent = Sent(app)
        await sent.send(TABLE[:-4])
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, MIN_FREE_BYTES))
        await sent.send(b"1,2\n" * 1000)
        assert await sent.answered() == (507, "DISK-04")
        assert parts(tmp_path) == []

    asyncio.run(upload())


def test_table_is_on_the_disk_of_the_tables_while_it_arrives_when_it_is_large(app: FastAPI, tmp_path: Path) -> None:
    piece = b"1,2\n" * 2**18

    async def upload() -> None:
        sent = Sent(app)
        await sent.send(TABLE[:-2])
        for _ in range(4):
            await sent.send(piece)
        assert sum(parts(tmp_path)) > 3 * len(piece)
        assert await sent.finish(b"\r\n" + END) == (201, "a.csv")
        assert (tmp_path / "raw" / "a.csv").read_bytes() == b"x,y\n1,2\n" + 4 * piece

    asyncio.run(upload())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        END,
        TABLE,
        TABLE + TABLE + END,
        FIELD % b"true" + END,
        FIELD % b"maybe" + TABLE + END,
        FIELD % (b"1" * 2000) + TABLE + END,
        (FIELD % b"").replace(b"replace", b"other") * 10 + TABLE + END,
        TABLE.replace(b'name="file"', b'name="other"') + END,
        TABLE.replace(b'; filename="a.csv"', b"") + END,
        b"junk",
    ],
)
def test_form_is_refused_when_it_is_not_that_of_a_table(app: FastAPI, tmp_path: Path, body: bytes) -> None:
    async def upload() -> None:
        assert await Sent(app).finish(body) == (422, "WEB-06")
        assert list((tmp_path / "raw").iterdir()) == []

    asyncio.run(upload())


@pytest.mark.parametrize("kind", [b"", b"text/csv", b"multipart/form-data", b"application/x-www-form-urlencoded"])
def test_body_is_refused_when_it_is_no_form_with_files(app: FastAPI, kind: bytes) -> None:
    async def upload() -> None:
        assert await Sent(app, kind=kind).answered() == (422, "WEB-06")

    asyncio.run(upload())


@pytest.mark.parametrize("order", [(FIELD % b"true", TABLE), (TABLE, FIELD % b"on")])
def test_others_are_replaced_when_the_form_says_so(app: FastAPI, tmp_path: Path, order: tuple[bytes, bytes]) -> None:
    async def upload() -> None:
        assert await Sent(app).finish(FILE % (b"old.csv", b"1") + END) == (201, "old.csv")
        assert await Sent(app).finish(b"".join(order) + END) == (201, "a.csv")
        assert [path.name for path in (tmp_path / "raw").iterdir()] == ["a.csv"]

    asyncio.run(upload())


def test_reason_is_given_when_the_folder_cannot_be_written(app: FastAPI, tmp_path: Path) -> None:
    (tmp_path / "raw").write_text("a file, not a folder")

    async def upload() -> None:
        assert await Sent(app).answered() == (507, "FILE-05")

    asyncio.run(upload())


@pytest.mark.process
@pytest.mark.parametrize("breaks", ["fill", "use_up_inodes", "make_read_only"])
def test_folder_is_named_and_nothing_is_left_when_its_disk_takes_no_table(
    app: FastAPI, tmp_path: Path, small_disk: Callable[..., SmallDisk], monkeypatch: pytest.MonkeyPatch, breaks: str
) -> None:
    disk = small_disk(tmp_path / "raw")
    getattr(disk, breaks)()
    before = sorted(disk.folder.iterdir())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 2**40))  # it fills up only now

    async def upload() -> None:
        assert await Sent(app).finish(FILE % (b"a.csv", bytes(100_000)) + END) == (507, "FILE-05")

    asyncio.run(upload())
    assert sorted(disk.folder.iterdir()) == before
    problem = TableWriteError("a.csv", _write_error(disk.folder), tmp_path)
    assert str(disk.folder) in problem.why
    assert str(disk.folder) in problem.command


def _write_error(folder: Path) -> OSError:
    with pytest.raises(OSError, match=r"No space|Read-only") as caught, (folder / "x").open("wb", buffering=0) as file:
        file.write(bytes(1000))
    return caught.value
