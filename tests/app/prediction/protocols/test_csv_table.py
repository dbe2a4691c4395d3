"""POST /predict/csv while it streams: what the client sends slowly, breaks off or gets wrong."""

import asyncio
import csv
import io
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from app.prediction.http.request_metrics import RequestMetrics
from app.prediction.http.service import PredictionService, Sender
from app.prediction.protocols.csv_cells import rows_of
from app.prediction.protocols.csv_table import NOT_FINITE, predict_csv
from app.prediction.reload.reloader import ModelReloader
from app.prediction.scoring.loaded_model import LoadedModel
from app.prediction.scoring.model import Model
from app.prediction.settings import ApiSettings
from bench.bundles import Built, make_bundle
from pipeline.core.cells import MISSING_TOKENS
from pipeline.core.params import Task
from pipeline.core.problems import ProblemError
from tests.app.prediction.conftest import Api, StartApi, publish_odd
from tests.app.prediction.odd_graphs import infinite_above

pytestmark = pytest.mark.process
Served = dict[Task, tuple[Api, Built]]
HEAD = b"POST /predict/csv HTTP/1.1\r\nHost: api\r\nContent-Type: text/csv\r\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _body(response: bytes) -> bytes:
    """Return the body of a chunked response."""
    _, _, rest = response.partition(b"\r\n\r\n")
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return body


def _received(connection: socket.socket) -> Iterator[bytes]:
    while data := connection.recv(65536):
        yield data


def test_each_row_is_answered_when_the_table_comes_after_the_answer_has_begun(served: Served) -> None:
    api, _ = served["binary"]
    with socket.create_connection(("127.0.0.1", api.port), timeout=30) as connection:
        connection.sendall(HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + _chunk(b"id,age\n"))
        answer = b""
        while b"remark\n" not in answer:  # the header line of the answer
            answer += connection.recv(65536)
        for first in range(0, 3000, 100):
            connection.sendall(_chunk(b"".join(b"%d,40\n" % i for i in range(first, first + 100))))
        connection.sendall(b"0\r\n\r\n")
        answer += b"".join(_received(connection))
    rows = list(csv.DictReader(io.StringIO(_body(answer).decode())))
    assert [row["id"] for row in rows] == [str(i) for i in range(3000)]


def test_the_whole_answer_comes_when_the_client_reads_only_after_it_has_sent_all(
    tmp_path: Path, start_api: StartApi
) -> None:
    make_bundle(tmp_path / "models", n_numeric=1, boolean=False, categorical=False, n_trees=1)
    n_rows, note = 4_000, b"x" * 8_000  # more than the sockets between the two hold
    with start_api(tmp_path / "models") as api:
        api.wait_for(1)
        table = b"age,note\n" + (b"40," + note + b"\n") * n_rows
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
            connection.settimeout(20)
            connection.connect(("127.0.0.1", api.port))
            connection.sendall(HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(table) + table)
            answer = _body(b"".join(_received(connection)))
    assert answer.count(b"\n") == n_rows + 1


def test_the_response_ends_when_sending_fails_while_it_waits_for_the_client(tmp_path: Path) -> None:
    built = make_bundle(tmp_path / "models")
    settings = ApiSettings().model_copy(update={"max_body_bytes": 10})
    reloader = ModelReloader(settings)
    reloader.live_model = LoadedModel.of(Model(built.manifest, built.model, b""), 10)
    service = PredictionService(settings, reloader, RequestMetrics(reloader))
    begun = asyncio.Event()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"age\n40\n", "more_body": False}

    async def send(_: Message) -> None:
        if begun.is_set():
            raise OSError("the client has left")  # as the ASGI specification asks of servers
        begun.set()

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/predict/csv",
        "headers": [],
        "request_id": "1",
        "sender": Sender(),
    }

    async def respond() -> None:
        response = await predict_csv(Request(scope, receive), service)
        async with asyncio.timeout(5):
            await response(scope, receive, send)

    with pytest.raises(ClientDisconnect):
        asyncio.run(respond())


def _answers(api: Api, table: str) -> list[dict[str, str]]:
    response = api.client.post("/predict/csv", content=table.encode(), headers={"Content-Type": "text/csv"})
    assert response.status_code == 200
    return list(csv.DictReader(io.StringIO(response.text)))


def test_blank_lines_do_not_count_when_they_are_above_the_header_or_between_rows(served: Served) -> None:
    api, _ = served["binary"]
    rows = _answers(api, "\n\nage\n\n40\n\n\n41\n")
    assert [(row["age"], row["error"]) for row in rows] == [("40", ""), ("41", "")]


def test_rows_without_an_answer_are_named_and_do_not_count_when_others_have_one(
    tmp_path: Path, start_api: StartApi
) -> None:
    publish_odd(tmp_path / "models", infinite_above, names=("a", "b", "c"))
    with start_api(tmp_path / "models", API_MAX_ROWS="2") as api:  # a limit of requests, not of tables
        api.wait_for(1)
        rows = _answers(api, "a,b,c\n1,2,3\n3.3e38,2,3\nold,1,1\n,,\n1,2,3\n")
        assert [bool(row["prediction"]) for row in rows] == [True, False, False, True, True]
        assert [row["error"][:30] for row in rows] == ["", NOT_FINITE[:30], "a: 'old' is not a number.", "", ""]
        assert rows[0]["prediction"] == rows[4]["prediction"]
        assert api.client.get("/stats").json()["n"] == 3
        assert "api_rows_total 3.0" in api.client.get("/metrics").text
        assert len(_answers(api, "a\n" + "1\n" * 2500)) == 2500


def test_words_that_training_takes_as_missing_are_missing_when_in_a_table(served: Served) -> None:
    api, _ = served["binary"]
    tokens = sorted(MISSING_TOKENS)
    table = io.StringIO()
    csv.writer(table).writerows([["home city", "age"], *([token, token] for token in tokens), ["Paris", "1_000"]])
    *rows, last = _answers(api, table.getvalue())
    assert len(rows) == len(tokens)
    assert {row["probability"] for row in rows} == {str(api.predict({}).json()["probability"])}
    assert "is not a number" in last["error"]


def test_numbers_are_read_as_in_training_when_they_have_marks_or_a_percent_sign(served: Served) -> None:
    api, _ = served["binary"]
    plain, marked, beyond = _answers(api, 'age,Income (EUR)\n40,27888.5\n40 %,"27,888.5"\n40,"27,88"\n')
    assert marked["probability"] == plain["probability"] != ""
    assert "'27,88' is not a number" in beyond["error"]


async def _pieces(text: str, size: int) -> AsyncIterator[bytes]:
    raw = text.encode()
    for at in range(0, len(raw), size):
        yield raw[at : at + size]


async def _read(text: str, size: int) -> list[list[str]]:
    return [cells async for cells in rows_of(_pieces(text, size))]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n3,4",
        'a,b\r\n"1\r\n,""x""",2\r\n\r\n"3",\r\n',
        'size,b\n5" pipe,1\n"5"" pipe",2\n6",3\n',
        "\ufeffä\n€\n\n'\n",
        'a\n""\n"\n\n"\n',
        "a\r1\r2\r",
    ],
)
def test_rows_are_those_of_the_whole_table_when_it_comes_in_pieces(text: str, size: int) -> None:
    expected = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    assert [row for row in asyncio.run(_read(text, size)) if row] == [row for row in expected if row]


@pytest.mark.parametrize("size", [7, 10_000])
def test_no_row_is_lost_when_a_stray_quote_would_swallow_some(size: int) -> None:
    text = 'size,note,n\n1,"""quoted"", two\nlines",1\n2,"awful,2\n3,fine,3\n4,bad",4\n5,x,5\n'
    rows = [row for row in asyncio.run(_read(text, size)) if row]
    assert rows == [
        ["size", "note", "n"],
        ["1", '"quoted", two\nlines', "1"],
        ["2", "awful", "2"],
        ["3", "fine", "3"],
        ["4", "bad", "4"],
        ["5", "x", "5"],
    ]


def test_an_open_quote_is_refused_soon_when_it_is_never_closed() -> None:
    started = time.perf_counter()
    with pytest.raises(ProblemError) as caught:
        asyncio.run(_read('a\n"' + "\n" * 1_500_000, 50_000))
    assert caught.value.id == "API-09"
    assert time.perf_counter() - started < 5  # milliseconds; it took a minute when each line end was tried
