"""POST /predict/csv while it streams: what the client sends slowly, breaks off or gets wrong."""

import csv
import io
import socket
from collections.abc import Iterator

from pipeline.params import Task
from tests.app.prediction.conftest import Api
from tests.builders.bundles import Built

Served = dict[Task, tuple[Api, Built]]
HEAD = b"POST /predict/csv HTTP/1.1\r\nHost: api\r\nContent-Type: text/csv\r\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _body(response: bytes) -> bytes:
    """The body of a chunked response."""
    _, _, rest = response.partition(b"\r\n\r\n")
    found = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        found += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return found


def _received(connection: socket.socket) -> Iterator[bytes]:
    while data := connection.recv(65536):
        yield data


def test_each_row_is_answered_when_the_table_comes_after_the_answer_has_begun(served: Served) -> None:
    api, _ = served["binary"]
    with socket.create_connection(("127.0.0.1", api.port), timeout=30) as connection:
        connection.sendall(HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + _chunk(b"id,age\n"))
        answer = b""
        while b"error\n" not in answer:  # the header line of the answer
            answer += connection.recv(65536)
        for first in range(0, 3000, 100):
            connection.sendall(_chunk(b"".join(b"%d,40\n" % i for i in range(first, first + 100))))
        connection.sendall(b"0\r\n\r\n")
        answer += b"".join(_received(connection))
    rows = list(csv.DictReader(io.StringIO(_body(answer).decode())))
    assert [row["id"] for row in rows] == [str(i) for i in range(3000)]
