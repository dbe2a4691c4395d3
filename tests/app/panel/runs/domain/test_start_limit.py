"""How many runs one user or token starts in a minute."""

import threading

import pytest

from app.panel.audit.actor import Actor, acting
from app.panel.runs.domain.problems import TooManyStartsError
from app.panel.runs.domain.service import Started
from app.panel.runs.domain.start_limit import StartLimit
from app.panel.runs.domain.state import Trigger
from tests.app.panel.runs.conftest import MakeHarness
from tests.app.panel.runs.panel_harness import PanelHarness

ANN, SCRIPT = Actor("ann", "password"), Actor("ann/script", "token")


def start_and_cancel(harness: PanelHarness, trigger: Trigger = Trigger.MANUAL, key: str | None = None) -> Started:
    started = harness.runs.start(trigger, idempotency_key=key)
    harness.runs.cancel(started.id)
    return started


def test_next_start_is_refused_when_a_minute_has_as_many_as_allowed() -> None:
    limit = StartLimit(2)
    limit.count("ann")
    limit.count("ann")
    with pytest.raises(TooManyStartsError) as refused:
        limit.count("ann")
    assert (refused.value.id, refused.value.status) == ("RUN-17", 429)
    assert 1 <= refused.value.wait_s <= 60
    limit.count("bob")


def test_no_more_start_than_allowed_when_all_come_at_once() -> None:
    limit = StartLimit(5)
    refused: list[str] = []

    def start() -> None:
        try:
            limit.count("ann")
        except TooManyStartsError as error:
            refused.append(error.id)

    threads = [threading.Thread(target=start) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 7


@pytest.mark.process
def test_starts_and_reruns_count_together_when_one_identity_asks(make_harness: MakeHarness) -> None:
    harness = make_harness(run_starts_per_minute=2)
    with acting(ANN):
        first = start_and_cancel(harness)
        harness.runs.cancel(harness.runs.rerun(first.id).id)
        with pytest.raises(TooManyStartsError):
            harness.runs.start()
        with pytest.raises(TooManyStartsError):
            harness.runs.rerun(first.id)
    with acting(SCRIPT):
        start_and_cancel(harness)


@pytest.mark.process
def test_same_run_is_the_answer_when_a_key_is_repeated_beyond_the_limit(make_harness: MakeHarness) -> None:
    harness = make_harness(run_starts_per_minute=1)
    with acting(ANN):
        first = start_and_cancel(harness, key="once")
        for _ in range(3):
            assert harness.runs.start(idempotency_key="once").id == first.id
        with pytest.raises(TooManyStartsError):
            harness.runs.start(idempotency_key="twice")


@pytest.mark.process
@pytest.mark.parametrize("trigger", [Trigger.SCHEDULE, Trigger.DRIFT, Trigger.RECOVERY])
def test_panel_starts_runs_by_itself_when_the_limit_is_reached(make_harness: MakeHarness, trigger: Trigger) -> None:
    harness = make_harness(run_starts_per_minute=1)
    start_and_cancel(harness)
    for _ in range(3):
        start_and_cancel(harness, trigger)


@pytest.mark.process
def test_refused_start_does_not_count_when_another_run_is_active(make_harness: MakeHarness) -> None:
    harness = make_harness(run_starts_per_minute=2)
    active = harness.runs.start()
    for _ in range(3):
        with pytest.raises(Exception, match="only one run"):
            harness.runs.start()
    harness.runs.cancel(active.id)
    start_and_cancel(harness)
