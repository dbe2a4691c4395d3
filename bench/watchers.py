"""As many people as may, all watching one run: what each gets, how late, and what it costs the panel."""

import asyncio
import re
import tempfile
import time
from pathlib import Path

from bench.rows import Row, row
from bench.running import RunningPanel, panel, pss_bytes

TITLE = "A thousand people watching one run"
WATCHERS = 1000
STREAMS_OF_A_TOKEN = 8
_LINE = re.compile(rb'\{"seq":\d+,[^\n]*?\}(?=,\{"seq"|\]\})')
_SENT_AT = re.compile(rb'"text":"(\d{10}\.\d{6})"')


def measure() -> list[Row]:
    """Lag of every line at every watcher, whether all logs are whole, and the panel's memory."""
    with (
        tempfile.TemporaryDirectory() as name,
        panel(
            Path(name),
            module="bench.empty_panel",
            BENCH_SET_SEED="bench.chatty_stage:set_seed",
            CYCLE_INTERVAL_S="86400",
        ) as running,
    ):
        run = running.client.post("/api/v1/runs", json={}).raise_for_status().json()["id"]
        tokens = make_tokens(running)
        before = pss_bytes(running.process)
        peaks: list[int] = []
        busy_s = sum(running.process.cpu_times()[:2])

        async def watch_all() -> list[Watcher]:
            loop = asyncio.get_running_loop()
            port = running.ports["PANEL_PORT"]
            watchers = [Watcher(run, port, tokens[i // STREAMS_OF_A_TOKEN]) for i in range(WATCHERS)]
            for watcher in watchers:
                await loop.create_connection(lambda w=watcher: w, "127.0.0.1", port)  # type: ignore[misc]
            await asyncio.gather(*(watcher.begun.wait() for watcher in watchers))
            (running.folder / "data" / "go").touch()
            ends = asyncio.gather(*(watcher.ended.wait() for watcher in watchers))
            while not ends.done():
                peaks.append(pss_bytes(running.process))
                await asyncio.wait({ends}, timeout=0.5)
            for watcher in watchers:
                watcher.close()
            return watchers

        watchers = asyncio.run(watch_all())
        busy_s = sum(running.process.cpu_times()[:2]) - busy_s
        stored = running.client.get(f"/api/v1/runs/{run}/log").content.splitlines()
    whole = sum(watcher.lines() == stored for watcher in watchers)
    lags = sorted(lag for watcher in watchers for lag in watcher.lags())
    p95 = lags[int(0.95 * len(lags))]
    return [
        row("watchers whose log is byte for byte the stored one", [whole], "", above=WATCHERS),
        row("lag of a line at a watcher, p95", [p95], "s", below=1.0, note=f"median {lags[len(lags) // 2]:.3g} s"),
        row("panel process grows by, at most", [(max(peaks) - before) / 2**20], "MB", below=64),
        row("processor of the panel while they watch", [busy_s], "s of a core", note="1,000 watchers, 10 s"),
    ]


def make_tokens(running: RunningPanel) -> list[str]:
    """Return as many tokens as all watchers need: each may open a few streams only."""
    names = [f"watcher-{i}" for i in range(0, WATCHERS, STREAMS_OF_A_TOKEN)]
    made = (running.client.post("/api/v1/tokens", json={"name": name, "scope": "read"}) for name in names)
    return [answer.raise_for_status().json()["token"] for answer in made]


class Watcher(asyncio.Protocol):
    """One open stream; keeps what came and when."""

    def __init__(self, run: str, port: int, token: str) -> None:
        self._request = (
            f"GET /api/v1/runs/{run}/log/stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Authorization: Bearer {token}\r\n\r\n"
        )
        self.parts: list[tuple[float, bytes]] = []
        self.begun, self.ended = asyncio.Event(), asyncio.Event()
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._transport = transport
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request.encode())

    def data_received(self, data: bytes) -> None:
        """Keep it; reading is for later, so that it does not slow the others down."""
        self.parts.append((time.time(), data))
        self.begun.set()
        if b"event: end" in data:
            self.ended.set()

    def connection_lost(self, _exc: Exception | None) -> None:
        """The connection is over, with or without an end event."""
        self.ended.set()

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    def lines(self) -> list[bytes]:
        """Return all stored lines as they arrived."""
        body = b"".join(part for _, part in self.parts)
        data = b"".join(line[6:] for line in body.splitlines() if line.startswith(b'data: {"lines"'))
        return _LINE.findall(data)

    def lags(self) -> list[float]:
        """Return the seconds from each line's writing to its arrival."""
        return [at - float(sent_at) for at, part in self.parts for sent_at in _SENT_AT.findall(part)]
