"""Receives a table as it is sent: one at a time, straight into the folder of the tables, never into memory or /tmp.

Starlette's form would be spooled to the temporary folder, which may be memory, before the route is asked.
"""

import contextlib
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from pydantic import TypeAdapter, ValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from app.panel.datasets.problems import TableWriteError, UploadBusyError, UploadDiskError
from app.panel.disk_room import MIN_FREE_BYTES
from app.panel.leftovers import UPLOAD_PREFIX
from app.panel.pages.problems import InvalidRequestError
from pipeline.core.temporary import held

MAX_FIELD_BYTES: Final = 1024
MAX_PARTS: Final = 10  # two are of use; a gigabyte of empty ones would be minutes of work
# The routes read the body themselves, so FastAPI cannot know it.
OPENAPI: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "contentMediaType": "application/octet-stream"},
                        "replace": {"type": "boolean", "default": False},
                    },
                }
            }
        },
    }
}
_BOOLEAN: Final = TypeAdapter(bool)


@dataclass(frozen=True)
class Upload:
    """A table that has arrived whole, on disk at `part`."""

    name: str
    part: Path
    n_bytes: int
    replace: bool


class Uploads:
    """Takes one upload after the other. Event loop only."""

    def __init__(self, data_dir: Path) -> None:
        self._raw = data_dir / "raw"
        self._is_busy = False

    @asynccontextmanager
    async def receive(self, request: Request) -> AsyncIterator[Upload]:
        """Read the form of a request and yield its table, which is gone at the end unless it was moved.

        Raises, before a byte of the body is read, ProblemError FILE-07 (429, another upload is under way) and DISK-04
        (507, too little disk); while it arrives DISK-04, FILE-05 (507, disk) and WEB-06 (422, not such a form).
        """
        if self._is_busy:
            raise UploadBusyError
        self._is_busy = True
        part = self._raw / f"{UPLOAD_PREFIX}{secrets.token_hex(8)}"
        try:
            with self._disk_problems():
                self._raw.mkdir(parents=True, exist_ok=True)
                self._check_disk(int(request.headers.get("content-length", "0")))
                part.touch(exist_ok=False)
            with held(part):
                yield await self._read(request, part)
        finally:
            self._is_busy = False
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    async def _read(self, request: Request, part: Path) -> Upload:
        with self._disk_problems(), part.open("wb") as file:
            try:
                form = _Form(request.headers.get("content-type", ""), file)
                async for chunk in request.stream():
                    await run_in_threadpool(self._write, form, chunk)
            except FormParserError as error:
                raise InvalidRequestError.invalid_field("", str(error)) from error
            except ClientDisconnect as error:
                raise InvalidRequestError.not_answered(400, "The upload broke off") from error
            await run_in_threadpool(_sync, file)
            return Upload(form.check_name(), part, file.tell(), form.check_replace())

    def _write(self, form: "_Form", chunk: bytes) -> None:
        self._check_disk(len(chunk))
        form.parser.write(chunk)

    @contextmanager
    def _disk_problems(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TableWriteError("The table", error, self._raw.parent) from error

    def _check_disk(self, n_bytes: int) -> None:
        """Raise UploadDiskError unless `n_bytes` fit and a run can still start afterwards."""
        free_bytes = shutil.disk_usage(self._raw).free
        if free_bytes < n_bytes + MIN_FREE_BYTES:
            raise UploadDiskError(self._raw, free_bytes=free_bytes, needed_bytes=n_bytes + MIN_FREE_BYTES)


class _Form:
    """A form with the file `file`, whose content goes to `target` as it arrives, and maybe the field `replace`."""

    def __init__(self, content_type: str, target: BinaryIO) -> None:
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or b"boundary" not in options:
            raise FormParserError("the table must be sent as multipart/form-data")
        self._target = target
        self._name: str | None = None
        self._replace = bytearray()
        self._is_whole = False
        self._n_parts = 0
        self._header = (bytearray(), bytearray())
        self._disposition = b""
        self._part: bytes | None = None  # name of the part that is being read
        self.parser = MultipartParser(
            options[b"boundary"],
            callbacks={
                "on_part_begin": self._begin_part,
                "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_part_data": self._take,
                "on_end": self._end,
            },
        )

    def check_name(self) -> str:
        """Return the file's name. Raises InvalidRequestError WEB-06 if there is no file, or the form is not whole."""
        if not self._is_whole:
            raise InvalidRequestError.invalid_field("", "the form has no end")
        if self._name is None:
            raise InvalidRequestError.invalid_field("file", "Field required")
        return self._name

    def check_replace(self) -> bool:
        """Return the field `replace`, False without one. Raises InvalidRequestError WEB-06 if it is not a boolean."""
        try:
            return bool(self._replace) and _BOOLEAN.validate_python(self._replace.decode("utf-8", "replace"))
        except ValidationError as error:
            raise InvalidRequestError.invalid_field("replace", error.errors()[0]["msg"]) from error

    def _begin_part(self) -> None:
        self._n_parts += 1
        if self._n_parts > MAX_PARTS:
            raise FormParserError(f"the form has more than {MAX_PARTS} parts")
        self._disposition = b""

    def _end_header(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = bytes(value)
        self._header = (bytearray(), bytearray())

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._part = options.get(b"name")
        if b"filename" in options:
            if self._name is not None or self._part != b"file":
                raise FormParserError("exactly one file is expected, in the field file")
            self._name = options[b"filename"].decode("utf-8", "replace")
        elif self._part == b"file":
            raise FormParserError("the field file must be a file")

    def _take(self, data: bytes, start: int, end: int) -> None:
        if self._part == b"file":
            self._target.write(data[start:end])
        elif self._part == b"replace":
            self._replace += data[start:end]
            if len(self._replace) > MAX_FIELD_BYTES:
                raise FormParserError("the field replace is too long")

    def _end(self) -> None:
        self._is_whole = True


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
