"""Writes the built-in table where there is no table yet, so that the first click needs no preparation."""

import asyncio
import logging
import subprocess
import sys
from pathlib import Path
from typing import Final

from app.processes.child import run
from pipeline.core.table_files import is_table

log = logging.getLogger(__name__)
LIMIT_S: Final = 60.0


class SampleTable:
    """A worker that writes the table in a process of its own; a run waits for it. Event loop only."""

    def __init__(self, raw_dir: Path) -> None:
        self._raw_dir = raw_dir
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to write the table if the folder holds none."""
        if not any(map(is_table, _files(self._raw_dir))):
            self._task = asyncio.create_task(self._write(), name="sample")

    async def wait(self) -> None:
        """Return when it is written, or could not be: then the run finds an empty folder and says so."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def stop(self) -> None:
        """Abort the writing."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _write(self) -> None:
        argv = [sys.executable, "-m", "pipeline", "sample", str(self._raw_dir)]
        try:
            self._raw_dir.mkdir(parents=True, exist_ok=True)
            finished = await run(argv, timeout_s=LIMIT_S, stderr=subprocess.PIPE)
        except OSError as error:  # a TimeoutError is one
            log.warning("action=write_sample error=%s", error)
            return
        if finished.exit_code:
            log.warning("action=write_sample error=%s", finished.stderr.decode(errors="replace").strip()[-500:])


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
