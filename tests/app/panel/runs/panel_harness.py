"""A panel without pages: real database, real log, real processes; only the stages are given."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime
from multiprocessing import forkserver
from pathlib import Path
from typing import Any, Final

from app.panel.clock import SystemClock
from app.panel.db.migrate import open_database
from app.panel.logs.store import LogStore
from app.panel.notifier import Notifier
from app.panel.runs.dispatch.execution import RunDependencies
from app.panel.runs.dispatch.executor import Executor
from app.panel.runs.dispatch.process_stage import ProcessStageRunner
from app.panel.runs.dispatch.recovery import recover
from app.panel.runs.dispatch.thread_stage import ThreadStageRunner
from app.panel.runs.domain.active_runs import ActiveRuns
from app.panel.runs.domain.queries import RunDetail, RunQueries
from app.panel.runs.domain.retry import RetryPolicy
from app.panel.runs.domain.service import RunService
from app.panel.runs.domain.store import RunStore
from app.panel.runs.stage_process.launcher import Launcher
from app.panel.settings import Settings
from bench.empty_deploy import live_at_once
from bench.empty_stages import EMPTY_STAGES
from bench.wait import until_async
from pipeline.core.stage import STAGES

RUN_S: Final = 60.0
# Without pipeline.stages.preload: these stages need nothing heavy, and the forkserver is ready at once.
PRELOAD: Final = (
    "app.panel.runs.stage_process.subreaper",
    "app.panel.runs.stage_process.stage_main",
    "app.panel.runs.stage_process.preloaded",
)


def with_faulty_stage(name: str) -> dict[str, str]:
    """Return the empty stages, but the first is `faulty_stages.<name>`."""
    return {**EMPTY_STAGES, "set_seed": f"tests.app.panel.runs.faulty_stages:{name}"}


def end_foreign_forkserver(launcher: Launcher) -> None:
    """End the forkserver of this process if another test has started it without what stages need in it."""
    pid: int | None = vars(forkserver)["_forkserver"]._forkserver_pid
    if pid is None:
        return
    with suppress(FileNotFoundError):
        if PRELOAD[0] in Path(f"/proc/{pid}/cmdline").read_text():
            return
    launcher.stop()


class PanelHarness:
    """Parts wired as in `main.py`; call `open` again for what a restarted panel sees."""

    def __init__(
        self,
        folder: Path,
        stages: Mapping[str, str] | None = None,
        *,
        deploy: Any = live_at_once,
        retries: int = 0,
        retry_delay_s: float = 0.01,
        timeout_s: float = 60.0,
        stage_memory_bytes: int = 0,
        run_starts_per_minute: int = 10_000,
    ) -> None:
        self.settings = Settings(
            data_dir=folder / "data",
            state_dir=folder / "state",
            models_dir=folder / "models",
            seed=7,
            run_starts_per_minute=run_starts_per_minute,
            stage_memory_bytes=stage_memory_bytes,
        )
        (folder / "data" / "raw").mkdir(parents=True, exist_ok=True)
        self.stages, self.deploy = stages or EMPTY_STAGES, deploy
        self.policy = RetryPolicy(retry_delay_s, retries)
        self.timeout_s = timeout_s
        self.n_manual = self.n_starts = 0
        self.damaged_at: datetime | None = None  # the live model
        self.open()

    def open(self) -> None:
        """Open the database and wire."""
        self.clock = SystemClock()
        self.db = open_database(self.settings.database, self.clock.now())
        self.notifier = Notifier()
        self.store = RunStore(self.db, self.clock)
        self.logs = LogStore(self.settings.runs_dir)
        self.live = ActiveRuns(self.notifier, self.store.find_state)
        self.queries = RunQueries(self.db, self.live)
        self.launcher = Launcher(self.stages, PRELOAD, memory_bytes=self.settings.stage_memory_bytes)
        end_foreign_forkserver(self.launcher)

        process = ProcessStageRunner(
            launcher=self.launcher,
            logs=self.logs,
            active_runs=self.live,
            clock=self.clock,
            timeout_s=self.timeout_s,
        )
        deploying = ThreadStageRunner(
            self.deploy, logs=self.logs, active_runs=self.live, clock=self.clock, timeout_s=self.timeout_s
        )
        self.executor = Executor(
            RunDependencies(
                store=self.store,
                logs=self.logs,
                active_runs=self.live,
                notifier=self.notifier,
                stage_runners={**dict.fromkeys(STAGES, process), "deploy": deploying},
                policy=self.policy,
                versions=self,
                preparation=self,
                settings=self.settings,
                clock=self.clock,
            )
        )
        self.runs = RunService(
            store=self.store, queries=self.queries, settings=self.settings, notifier=self.notifier, schedule=self
        )

    def next_version(self) -> int:
        """See ModelVersions: nothing was published."""
        return 1

    def fell_back_at(self) -> datetime | None:
        """See ModelVersions."""
        return self.damaged_at

    async def wait(self) -> None:
        """See Preparation: there is nothing to wait for."""

    def arm(self) -> None:
        """See Armable."""
        self.n_manual += 1

    def recover(self) -> None:
        """Recover as the panel does at start."""
        recover(
            store=self.store,
            service=self.runs,
            logs=self.logs,
            runs_dir=self.settings.runs_dir,
            policy=self.policy,
            clock=self.clock,
        )

    def close(self) -> None:
        """Close the database."""
        self.db.close()

    def run_to_end(self, script: Callable[["PanelHarness"], Awaitable[None]] | None = None, **start: Any) -> RunDetail:
        """Start a run (unless one is active), execute until none is active, with `script` beside; the newest run.

        Each time is a new start of the panel on the same folders.
        """

        if self.n_starts:
            self.close()
            self.open()
        self.n_starts += 1

        async def main() -> None:
            await self.executor.start()
            try:
                if self.store.find_active() is None:
                    await asyncio.to_thread(lambda: self.runs.start(**start))
                script_task = asyncio.ensure_future(script(self)) if script is not None else None
                await until_async(
                    lambda: self.store.find_active() is None and not self.executor.busy,
                    within_s=RUN_S,
                    what="the run ends",
                )
                if script_task is not None:
                    await script_task
            finally:
                await self.executor.stop()

        asyncio.run(main())
        return self.newest()

    def newest(self) -> RunDetail:
        """Return all about the newest run."""
        return self.queries.detail(self.queries.page().rows[0].id)

    def texts(self) -> list[str]:
        """Return the texts of the newest run's log."""
        return [line.text for line in self.logs.read(self.newest().row.id, 0, 10_000)]
