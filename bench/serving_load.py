"""Clients that ask all the time: as fast as they can, or at a constant rate."""

import asyncio
import json
import multiprocessing
import time
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from typing import Self
from urllib.parse import urlsplit

import numpy as np


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> tuple[int, bytes]:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    return int(head[9:12]), await reader.readexactly(length)


def _request(url: str, body: bytes) -> tuple[str, int, bytes]:
    parts = urlsplit(url)
    head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return parts.hostname or "", parts.port or 80, head.encode() + body


def hammer(url: str, body: bytes, connections: int, seconds: float) -> tuple[float, float, float]:
    """Requests/s, p50 and p99 in ms of `connections` clients that ask again as soon as they are answered."""
    host, port, request = _request(url, body)
    times: list[float] = []

    async def client(end: float) -> None:
        reader, writer = await asyncio.open_connection(host, port)
        while (start := time.perf_counter()) < end:
            status, _ = await _ask(reader, writer, request)
            if status != 200:
                raise RuntimeError(f"{url}: {status}")
            times.append(time.perf_counter() - start)
        writer.close()

    async def run() -> None:
        end = time.perf_counter() + seconds
        await asyncio.gather(*(client(end) for _ in range(connections)))

    asyncio.run(run())
    p50, p99 = np.percentile(np.array(times) * 1000, [50, 99])
    return len(times) / seconds, float(p50), float(p99)


@dataclass
class Seen:
    """Responses to a constant rate of requests.

    `times_s` are the times of the answers, `failed` counts those that are not 200 or not complete, `mixed` those made by
    more than one version.
    """

    times_s: list[float] = field(default_factory=list)
    versions: set[int] = field(default_factory=set)
    failed: int = 0
    mixed: int = 0


class Load:
    """A constant rate of requests while the `with` block runs, from a process of its own; `seen` after the block."""

    seen: Seen

    def __init__(self, url: str, body: bytes, connections: int, rate: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._end = context.Event()
        self._queue: multiprocessing.Queue[Seen | None] = context.Queue()
        arguments = (_request(url, body), connections, connections / rate, self._end, self._queue)
        self._process = context.Process(target=_keep_asking, args=arguments)

    def __enter__(self) -> Self:
        self._process.start()
        self._queue.get()  # it has begun
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        seen = self._queue.get()
        assert seen is not None
        self.seen = seen
        self._process.join()


def _keep_asking(
    request: tuple[str, int, bytes],
    connections: int,
    pause_s: float,
    end: Event,
    queue: "multiprocessing.Queue[Seen | None]",
) -> None:
    seen = Seen()

    async def client(i: int) -> None:
        host, port, raw = request
        reader, writer = await asyncio.open_connection(host, port)
        due = time.perf_counter() + i * pause_s / connections
        while not end.is_set():
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            start = time.perf_counter()
            due += pause_s
            try:
                status, body = await _ask(reader, writer, raw)
            except (OSError, EOFError):
                seen.failed += 1
                reader, writer = await asyncio.open_connection(host, port)
                continue
            seen.times_s.append(time.perf_counter() - start)
            versions = {answer["model_version"] for answer in json.loads(body)} if status == 200 else set()
            seen.failed += status != 200
            seen.mixed += len(versions) > 1
            seen.versions |= versions
        writer.close()

    async def run() -> None:
        queue.put(None)
        await asyncio.gather(*(client(i) for i in range(connections)))

    asyncio.run(run())
    queue.put(seen)
