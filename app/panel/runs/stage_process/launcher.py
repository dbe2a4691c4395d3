"""The process of one attempt, seen from the panel: start it fast, wait for it, end it with all that it started."""

import asyncio
import json
import multiprocessing
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any, Final

from app.panel.runs.stage_process import stage_main
from app.panel.runs.stage_process.subreaper import descendants, kill_descendants
from pipeline.core.stage import StageContext

PRELOAD: Final = (
    "app.panel.runs.stage_process.subreaper",
    "app.panel.runs.stage_process.stage_main",
    "pipeline.stages.preload",
)
TERM_GRACE_S: Final = 3.0  # then KILL: a cancel must have effect within 10 s


class Launcher:
    """Starts attempts from a forkserver that has imported what stages need: some 15 ms instead of seconds.

    `entries` maps stage names to `module:function`, over those of `pipeline.core.stage.ENTRY`.
    """

    def __init__(self, entries: Mapping[str, str] | None = None, preload: Sequence[str] = PRELOAD) -> None:
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(preload))
        self._entries = json.dumps(dict(entries or {}))

    def warm(self) -> None:
        """Start the forkserver if there is none; returns at once, it imports in the background."""
        forkserver.ensure_running()

    def cool(self) -> None:
        """Let the forkserver go: it holds about 200 MB. Not while an attempt runs. `spawn` starts another one."""
        server: Any = vars(forkserver)["_forkserver"]  # there is no public name
        if server._forkserver_pid is not None:  # noqa: SLF001
            with suppress(ProcessLookupError):  # told to end, it would first finish its imports
                os.kill(server._forkserver_pid, signal.SIGKILL)  # noqa: SLF001
            server._stop()  # noqa: SLF001

    def spawn(self, ctx: StageContext, output: Path) -> "Child":
        """The running process of `ctx`, its stdout and stderr appended to `output`. Blocks; not for the event loop."""
        output.parent.mkdir(parents=True, exist_ok=True)
        process = self._context.Process(
            target=stage_main.main, args=(ctx.model_dump_json(), str(output), self._entries), name=f"stage-{ctx.stage}"
        )
        process.start()
        return Child(process)


class Child:
    """A process that leads its own session. Belongs to the event loop."""

    def __init__(self, process: ForkServerProcess) -> None:
        assert process.pid is not None
        self._process = process
        self.pid = process.pid
        self._forkserver_pid = _parent(process.pid)
        self._waiting: asyncio.Task[int | None] | None = None

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.is_alive()

    async def wait(self) -> int | None:
        """Its exit code when it has ended; -N if signal N ended it. Any number may wait."""
        if self._waiting is None:
            self._waiting = asyncio.create_task(self._wait())
        return await asyncio.shield(self._waiting)

    async def end(self) -> None:
        """TERM to its group, 3 s later KILL; returns when it is gone."""
        self._signal(signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.wait(), TERM_GRACE_S)
            return
        self._signal(signal.SIGKILL)
        await self.wait()

    def sweep(self) -> None:
        """Kill what it has left behind: its group, and what has left its group. Call after it has ended."""
        self._signal(signal.SIGKILL)
        if self._forkserver_pid is not None and descendants(self._forkserver_pid):
            kill_descendants(self._forkserver_pid)

    def close(self) -> None:
        """Let go of the ended process."""
        self._process.close()

    async def _wait(self) -> int | None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        sentinel = self._process.sentinel
        loop.add_reader(sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(sentinel)
        self._process.join()
        return self._process.exitcode

    def _signal(self, number: signal.Signals) -> None:
        # Until the child has called setsid there is no such group; then the process alone is all there is.
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            with suppress(ProcessLookupError):
                if self._process.is_alive():
                    os.kill(self.pid, number)
        except PermissionError:
            pass


def _parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None
