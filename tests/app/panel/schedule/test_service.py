"""The schedule on a clock that the test turns."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.panel.db.problems import DatabaseLockedError
from app.panel.runs.domain.state import RunState, Trigger
from app.panel.schedule.service import ScheduleService
from pipeline.core.problems import ProblemError
from tests.app.panel.runs.panel_harness import PanelHarness


class HandClock:
    """Two clocks that only the test moves."""

    def __init__(self) -> None:
        self.wall = datetime(2026, 3, 28, 23, 0, tzinfo=UTC)
        self.steady = 1000.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    def go(self, seconds: float) -> None:
        """Time passes."""
        self.wall += timedelta(seconds=seconds)
        self.steady += seconds


class Scheduled:
    """A schedule above a panel without pages."""

    def __init__(self, folder: Path) -> None:
        self.harness = PanelHarness(folder)
        self.clock = HandClock()
        self.service = self.start()

    def start(self) -> ScheduleService:
        """Return the service of a restarted panel."""
        return ScheduleService(
            db=self.harness.db, clock=self.clock, notifier=self.harness.notifier, default_interval_s=600
        )

    def triggers(self) -> list[tuple[str, str]]:
        return [(row.trigger, row.state) for row in reversed(self.harness.queries.page().rows)]

    def finish(self) -> None:
        """Let the active run be over."""
        active = self.harness.store.find_active()
        assert active is not None
        self.harness.runs.cancel(active.id)


@pytest.fixture
def scheduled(tmp_path: Path) -> Iterator[Scheduled]:
    scheduled = Scheduled(tmp_path)
    yield scheduled
    scheduled.harness.close()


def test_nothing_is_due_when_there_was_no_run_yet(scheduled: Scheduled) -> None:
    view = scheduled.service.view()
    assert (view.armed, view.due_in_s, view.interval_s) == (False, None, 600)
    scheduled.clock.go(10_000)
    scheduled.service.tick(scheduled.harness.runs)
    assert scheduled.triggers() == []


def test_run_starts_each_interval_when_armed(scheduled: Scheduled) -> None:
    scheduled.service.arm()
    for _ in range(3):
        scheduled.clock.go(599)
        scheduled.service.tick(scheduled.harness.runs)
        assert scheduled.harness.store.find_active() is None
        scheduled.clock.go(1)
        scheduled.service.tick(scheduled.harness.runs)
        scheduled.service.tick(scheduled.harness.runs)  # the job and the guard both come
        scheduled.finish()
    assert scheduled.triggers() == [(Trigger.SCHEDULE, RunState.CANCELLED)] * 3


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1), timedelta(days=366), timedelta(days=-366)])
def test_run_starts_when_due_although_the_wall_clock_jumps(scheduled: Scheduled, jump: timedelta) -> None:
    scheduled.service.arm()
    scheduled.clock.go(100)
    scheduled.clock.wall += jump
    scheduled.service.tick(scheduled.harness.runs)
    assert scheduled.triggers() == []
    view = scheduled.service.view()
    assert view.due_in_s == 500
    assert view.next_due_at == scheduled.clock.wall + timedelta(seconds=500)
    scheduled.clock.go(500)
    scheduled.service.tick(scheduled.harness.runs)
    assert scheduled.triggers() == [(Trigger.SCHEDULE, RunState.QUEUED)]


def test_missed_ticks_become_one_when_the_panel_was_away(scheduled: Scheduled) -> None:
    scheduled.service.arm()
    scheduled.clock.go(600 * 5 + 100)
    restarted = scheduled.start()
    assert restarted.view().due_in_s == 0
    restarted.tick(scheduled.harness.runs)
    restarted.tick(scheduled.harness.runs)
    assert len(scheduled.triggers()) == 1
    assert restarted.view().due_in_s == 600


def test_tick_leaves_a_row_that_says_why_when_the_pipeline_is_busy(scheduled: Scheduled) -> None:
    scheduled.service.arm()
    scheduled.harness.runs.start()
    scheduled.clock.go(600)
    scheduled.service.tick(scheduled.harness.runs)
    newest = scheduled.harness.queries.page().rows[0]
    assert (newest.trigger, newest.state) == (Trigger.SCHEDULE, RunState.SKIPPED)
    assert newest.reason == "Run 1 was still active."


def test_nothing_starts_when_paused_and_the_name_of_who_did_it_stays(scheduled: Scheduled) -> None:
    scheduled.service.arm()
    view = scheduled.service.pause(requested_by="ann")
    assert scheduled.service.pause(requested_by="bob").paused_by == "ann"
    assert (view.paused, view.due_in_s) == (True, None)
    scheduled.clock.go(10_000)
    scheduled.service.tick(scheduled.harness.runs)
    assert scheduled.triggers() == []
    assert scheduled.start().view().paused_by == "ann"
    assert scheduled.service.resume(requested_by="bob").due_in_s == 600


def test_interval_counts_from_now_when_changed(scheduled: Scheduled) -> None:
    scheduled.service.arm()
    scheduled.clock.go(500)
    assert scheduled.service.set_interval(60, requested_by="ann").due_in_s == 60
    assert scheduled.start().view().interval_s == 60


def test_interval_is_refused_when_it_makes_no_sense(scheduled: Scheduled) -> None:
    with pytest.raises(ProblemError) as caught:
        scheduled.service.set_interval(0, requested_by="ann")
    assert caught.value.id == "RUN-06"


def test_schedule_is_what_is_stored_when_the_database_cannot_be_written_for_a_while(scheduled: Scheduled) -> None:
    def refuse(on: bool) -> None:
        scheduled.harness.db.writer.raw_connection().cursor().execute(f"PRAGMA query_only={int(on)}")

    service = scheduled.service
    service.arm()
    before = service.view()
    refuse(True)
    verbs: list[Callable[[], object]] = [
        lambda: service.pause(requested_by="ann"),
        lambda: service.set_interval(60, requested_by="ann"),
    ]
    for verb in verbs:
        with pytest.raises(ProblemError) as caught:
            verb()
        assert caught.value.id == "DB-05"
    assert service.view() == before == scheduled.start().view()
    scheduled.clock.go(700)
    with pytest.raises(ProblemError):
        service.tick(scheduled.harness.runs)
    refuse(False)
    service.tick(scheduled.harness.runs)
    assert scheduled.triggers() == [(Trigger.SCHEDULE, RunState.QUEUED)]
    assert service.view().due_in_s == 500  # in step with what it was before


@pytest.mark.parametrize("is_busy", [False, True])
def test_each_due_time_leaves_one_row_when_the_panel_is_killed_before_it_is_taken(
    scheduled: Scheduled, monkeypatch: pytest.MonkeyPatch, is_busy: bool
) -> None:
    service = scheduled.service
    service.arm()
    if is_busy:
        scheduled.harness.runs.start()
    before = scheduled.triggers()
    scheduled.clock.go(700)
    with monkeypatch.context() as patch:
        patch.setattr(service, "_set", lambda _: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            service.tick(scheduled.harness.runs)
    again = scheduled.start()
    again.tick(scheduled.harness.runs)
    state = RunState.SKIPPED if is_busy else RunState.QUEUED
    assert scheduled.triggers() == [*before, (Trigger.SCHEDULE, state)]
    assert again.view().due_in_s == 600


def test_tick_is_not_lost_when_the_database_cannot_be_written_after_it_was_taken(
    scheduled: Scheduled, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduled.service.arm()
    scheduled.clock.go(700)
    with monkeypatch.context() as patch:
        locked = DatabaseLockedError(5)

        def refuse(*_: object, **__: object) -> None:
            raise locked

        patch.setattr(scheduled.harness.store, "create", refuse)
        with pytest.raises(DatabaseLockedError):
            scheduled.service.tick(scheduled.harness.runs)
    scheduled.service.tick(scheduled.harness.runs)
    assert scheduled.triggers() == [(Trigger.SCHEDULE, RunState.QUEUED)]
