"""Looks at tables in a child process, as a run would, and remembers what it saw of those in `data/raw`."""

import json
import logging
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from app.panel.datasets.problems import PreviewError, RefusedTableError
from app.panel.datasets.service import Datasets
from app.panel.datasets.uploads import Upload
from app.panel.leftovers import PREVIEW_PREFIX
from app.processes.child import CODE_DIR, start
from pipeline.core.disk_problems import DiskError
from pipeline.core.params import Params
from pipeline.core.table_preview import PreviewRequest, PreviewResult, RawFile
from pipeline.core.temporary import held

TIMEOUT_S: Final = 300.0
log = logging.getLogger(__name__)

MAX_LOGGED: Final = 2_000
SHEET_PROBLEM: Final = "DATA-26"
DISK_PROBLEMS: Final = "DISK-"
COMMAND: Final = (sys.executable, "-m", "pipeline.stages.preview")

Key = tuple[tuple[tuple[str, int, float], ...], str]


@dataclass(frozen=True)
class PreviewLimits:
    """What a look at tables may take: `memory_bytes` as a stage, `max_table_cells` 0 for as many as fit that."""

    memory_bytes: int
    max_table_cells: int = 0
    timeout_s: float = TIMEOUT_S


class Previews:
    """Sync. One look at a time; the last one at the tables is kept as long as they and the parameters are the same.

    `next_params` returns the parameters of the next run; `command`, whose first member is an absolute path, answers a request.
    """

    def __init__(
        self,
        data_dir: Path,
        datasets: Datasets,
        limits: PreviewLimits,
        *,
        next_params: Callable[[], Params],
        command: Sequence[str] = COMMAND,
    ) -> None:
        self.next_params = next_params
        self._command = tuple(command)
        self._data_dir = data_dir
        self._datasets = datasets
        self._limits = limits
        self._lock = threading.Lock()
        self._last: tuple[Key, PreviewResult] | None = None

    def known(self, params: Params) -> PreviewResult | None:
        """Return what was seen of the tables as they are now, None if nobody has looked."""
        last = self._last
        return last[1] if last is not None and last[0] == self._key(params) else None

    def names(self) -> tuple[str, ...]:
        """Return the columns that were seen last, () if nobody has looked."""
        last = self._last
        preview = last[1].preview if last is not None else None
        return () if preview is None else tuple(column.report.name for column in preview.columns)

    def look(self, params: Params) -> PreviewResult | None:
        """Return what a run would make of the tables; None while somebody else looks, so that nobody waits for that.

        Raises PreviewError FILE-08 (500) if it cannot be found out.
        """
        if not self._lock.acquire(blocking=False):
            return None
        try:
            if known := self.known(params):
                return known
            key = self._key(params)
            result = self._ask(self._files(), params)
            self._last = (key, result)
            return result
        finally:
            self._lock.release()

    def check(self, upload: Upload) -> None:
        """Raise RefusedTableError (422) with the reader's own problem unless an upload can be read, with the tables beside it
        if it does not replace them. Which sheet of a workbook is meant can be said later. Raises PreviewError FILE-08 (500), DiskError (507).
        """
        files = [RawFile(path=upload.part.absolute(), name=upload.name)]
        files += [] if upload.replace else self._files()
        params = self.next_params().model_copy(update={"sheet": None})
        result = self._ask(files, params)
        if result.problem is not None and result.problem.get("id") != SHEET_PROBLEM:
            if str(result.problem.get("id", "")).startswith(DISK_PROBLEMS):
                raise DiskError.restore(result.problem, status=507)
            raise RefusedTableError.restore(result.problem, status=422)

    def _files(self) -> list[RawFile]:
        raw = self._data_dir / "raw"
        return [RawFile(path=(raw / table.name).absolute(), name=table.name) for table in self._datasets.tables()]

    def _ask(self, files: Sequence[RawFile], params: Params) -> PreviewResult:
        if not files:
            return PreviewResult()
        processed = self._data_dir / "processed"
        processed.mkdir(parents=True, exist_ok=True)
        # Its own, so that nothing is left of a process that was killed.
        scratch = mkdtemp(prefix=PREVIEW_PREFIX, dir=processed.absolute())
        try:
            with held(Path(scratch)):
                return self._answer(
                    PreviewRequest(
                        files=list(files),
                        params=params,
                        scratch=Path(scratch),
                        max_table_cells=self._limits.max_table_cells,
                    )
                )
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _answer(self, request: PreviewRequest) -> PreviewResult:
        try:
            child = start(
                self._command,
                cwd=CODE_DIR,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                memory_bytes=self._limits.memory_bytes,
            )
            finished = child.communicate(request.model_dump_json().encode(), timeout_s=self._limits.timeout_s)
        except OSError as error:
            raise PreviewError(f"The process could not be started: {error.strerror or error}.") from error
        except TimeoutError as error:
            raise PreviewError(f"It took more than {self._limits.timeout_s:.0f} s.") from error
        try:
            return PreviewResult.model_validate(json.loads(finished.stdout.splitlines()[-1]))
        except (IndexError, ValueError) as error:
            log.error("action=preview result=error stderr=%r", finished.stderr.decode("utf-8", "replace")[-MAX_LOGGED:])
            raise PreviewError(f"The process ended with exit code {finished.exit_code}.") from error

    def _key(self, params: Params) -> Key:
        tables = tuple((table.name, table.n_bytes, table.changed_at.timestamp()) for table in self._datasets.tables())
        return tables, params.model_dump_json()
