"""Housekeeping of the panel."""

import asyncio
import os
from multiprocessing import forkserver
from pathlib import Path

import pytest

from app.panel import maintenance
from app.panel.maintenance import Maintenance
from app.processes.tree import is_running
from tests.app.panel.schedule.test_service import Scheduled

pytestmark = pytest.mark.process


def server_pid() -> int | None:
    pid: int | None = vars(forkserver)["_forkserver"]._forkserver_pid
    return pid


def test_forkserver_goes_when_paused_and_idle_and_comes_back_when_not(tmp_path: Path) -> None:
    scheduled = Scheduled(tmp_path)
    harness, service = scheduled.harness, scheduled.service
    care = Maintenance(
        db=harness.db,
        launcher=harness.launcher,
        executor=harness.executor,
        schedule=service,
        clock=scheduled.clock,
        tidy=(),
        renew_access=lambda: None,
    )
    harness.launcher.start()
    before = server_pid()
    assert before is not None
    scheduled.clock.go(10_000)
    asyncio.run(care.run_once())
    assert is_running(before)  # nobody has paused it
    service.pause(requested_by="ann")
    scheduled.clock.go(maintenance.IDLE_BEFORE_UNLOAD_S - 1)
    asyncio.run(care.run_once())
    assert server_pid() == before
    scheduled.clock.go(1)
    asyncio.run(care.run_once())
    assert server_pid() is None
    assert not is_running(before)
    service.resume(requested_by="ann")
    asyncio.run(care.run_once())
    assert server_pid() not in {None, before}
    harness.close()


def test_database_is_copied_once_a_day_when_the_panel_runs_or_is_started_again(tmp_path: Path) -> None:
    scheduled = Scheduled(tmp_path)
    pruned: list[int] = []
    renewed: list[int] = []

    def care() -> Maintenance:
        return Maintenance(
            db=scheduled.harness.db,
            launcher=scheduled.harness.launcher,
            executor=scheduled.harness.executor,
            schedule=scheduled.service,
            clock=scheduled.clock,
            tidy=(lambda: pruned.append(1),),
            renew_access=lambda: renewed.append(1),
        )

    running = care()
    for _ in range(3):
        asyncio.run(running.run_once())
        asyncio.run(care().run_once())
        scheduled.clock.go(13 * 3600)
    assert len(os.listdir(tmp_path / "state" / "backups")) == 2  # noqa: PTH208 - names are enough
    assert (len(pruned), len(renewed)) == (6, 6)
    asyncio.run(running.run_once())
    scheduled.clock.go(maintenance.TIDY_EVERY_S - 1)
    asyncio.run(running.run_once())
    assert len(pruned) == 7
    scheduled.harness.close()
