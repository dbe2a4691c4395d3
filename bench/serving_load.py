"""Clients that ask all the time: as fast as they can, or at a constant rate."""

import asyncio
import json
import threading
import time
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


class Load:
    """A constant rate of requests from a thread of its own, while the `with` block runs.

    `seen_s` are the times of the answers, `failed` counts those that are not 200 or not complete, `mixed` those made by
    more than one version.
    """

    def __init__(self, url: str, body: bytes, connections: int, rate: float) -> None:
        self._host, self._port, self._request = _request(url, body)
        self._connections = connections
        self._pause_s = connections / rate
        self._end = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self.seen_s: list[float] = []
        self.versions: set[int] = set()
        self.failed = 0
        self.mixed = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    async def _run(self) -> None:
        await asyncio.gather(*(self._client(i) for i in range(self._connections)))

    async def _client(self, i: int) -> None:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        due = time.perf_counter() + i * self._pause_s / self._connections
        while not self._end.is_set():
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            start = time.perf_counter()
            due += self._pause_s
            try:
                status, body = await _ask(reader, writer, self._request)
            except (OSError, EOFError):
                self.failed += 1
                reader, writer = await asyncio.open_connection(self._host, self._port)
                continue
            self.seen_s.append(time.perf_counter() - start)
            versions = {answer["model_version"] for answer in json.loads(body)} if status == 200 else set()
            self.failed += status != 200
            self.mixed += len(versions) > 1
            self.versions |= versions
        writer.close()
