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
from app.processes.child import in_lasting_thread
from app.processes.tree import descendants, end_tree, identity, is_running, kill_descendants, parent, signal_group
from pipeline.core.memory import stage_share_bytes
from pipeline.core.stage import StageContext

PRELOAD: Final = (
    "app.panel.runs.stage_process.subreaper",
    "app.panel.runs.stage_process.stage_main",
    "pipeline.stages.preload",
    "app.panel.runs.stage_process.preloaded",
)
TERM_GRACE_S: Final = 3.0  # then KILL: a cancel must have effect within 10 s


class Launcher:
    """Starts attempts from a forkserver that has imported what stages need: some 15 ms instead of seconds.

    `entries` maps stage names to `module:function`, over those of `pipeline.core.stage.ENTRY`. An attempt may use
    `memory_bytes`; 0: three quarters of what the machine or the container has.
    """

    def __init__(
        self, entries: Mapping[str, str] | None = None, preload: Sequence[str] = PRELOAD, *, memory_bytes: int = 0
    ) -> None:
        self.memory_bytes = memory_bytes or stage_share_bytes()
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(preload))
        self._entries = json.dumps(dict(entries or {}))

    def start(self) -> None:
        """Start the forkserver if there is none; returns at once, it imports in the background."""
        in_lasting_thread(forkserver.ensure_running)  # it dies with the thread that started it while it imports

    def stop(self) -> None:
        """End the forkserver, which holds about 200 MB, and what runs below it; `spawn` starts another one."""
        server: Any = vars(forkserver)["_forkserver"]  # there is no public name
        if server._forkserver_pid is not None:  # noqa: SLF001
            kill_descendants(server._forkserver_pid)  # noqa: SLF001 - later nobody knows what has left its session
            with suppress(ProcessLookupError):  # asked to end, it would first finish its imports
                os.kill(server._forkserver_pid, signal.SIGKILL)  # noqa: SLF001
            server._stop()  # noqa: SLF001

    def restart(self) -> None:
        """Replace a forkserver that does not respond; whoever waits for it gets EOFError or exit code 255."""
        self.stop()
        self.start()

    def spawn(self, ctx: StageContext, output: Path, temporary: Path) -> "StageProcess":
        """Start the stage of `ctx`, its stdout and stderr appended to `output`, its temporary files in `temporary`.

        Blocks until the forkserver has imported; not for the event loop. Raises OSError or EOFError if the forkserver cannot start it, or was replaced meanwhile.
        """
        self.start()
        output.parent.mkdir(parents=True, exist_ok=True)
        process = self._context.Process(
            target=stage_main.main,
            args=(ctx.model_dump_json(), str(output), self._entries, self.memory_bytes, str(temporary)),
            name=f"stage-{ctx.stage}",
        )
        process.start()
        return StageProcess(process)


class StageProcess:
    """A process that leads its own session. Belongs to the event loop."""

    def __init__(self, process: ForkServerProcess) -> None:
        assert process.pid is not None
        self._process = process
        self.pid = process.pid
        self._identity = identity(process.pid)
        self._forkserver_pid = parent(process.pid)
        self._waiting: asyncio.Task[int | None] | None = None

    async def wait(self) -> int | None:
        """Return its exit code when it has ended; -N if signal N ended it. Any number may wait."""
        if self._waiting is None:
            self._waiting = asyncio.create_task(self._wait())
        return await asyncio.shield(self._waiting)

    async def end(self) -> None:
        """Return when it has ended: TERM to its group, 3 s later KILL. `wait` says how, unless the forkserver hangs."""
        await asyncio.to_thread(end_tree, self._identity, TERM_GRACE_S)

    def has_ended(self) -> bool:
        """Return whether the system says so, whatever the forkserver does."""
        return not is_running(self.pid)

    def kill_descendants(self) -> None:
        """Kill what it has left behind: its group, and what has left its group. Call after it has ended."""
        signal_group(self.pid, signal.SIGKILL)
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
