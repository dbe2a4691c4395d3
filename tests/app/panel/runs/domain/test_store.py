"""The only writer of runs, on a real database."""

import threading

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select, update

from app.panel.runs.domain.problems import ActiveRunError
from app.panel.runs.domain.start_key import StartKey
from app.panel.runs.domain.state import RunState, Trigger
from app.panel.runs.domain.store import LostRaceError, NewRun
from app.panel.runs.domain.tables import Run, RunEvent
from pipeline.core.problems import ProblemError
from tests.app.panel.runs.conftest import MakeHarness

pytestmark = pytest.mark.process
NEW = NewRun(trigger=Trigger.MANUAL, from_stage="set_seed", params={}, requested_by="ann")


def test_one_start_wins_when_many_come_at_once(make_harness: MakeHarness) -> None:
    store = make_harness().store
    won: list[str] = []
    refused: list[str] = []
    gate = threading.Barrier(20)

    def start() -> None:
        gate.wait()
        try:
            won.append(store.create(NEW)[0].id)
        except ActiveRunError as error:
            refused.append(error.run_id)

    threads = [threading.Thread(target=start) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert refused == won * 19


def test_database_refuses_a_second_active_run_when_code_would_not(make_harness: MakeHarness) -> None:
    harness = make_harness()
    first, _ = harness.store.create(NEW)
    with pytest.raises(IntegrityError), harness.db.write() as session:
        session.add(Run(**{**first.model_dump(), "id": "other", "number": 9}))


def test_database_refuses_to_change_a_final_state_when_code_would_not(make_harness: MakeHarness) -> None:
    harness = make_harness()
    run, _ = harness.store.create(NEW)
    harness.store.move(run.id, RunState.QUEUED, RunState.CANCELLED, "no")
    with pytest.raises(IntegrityError, match="does not change its state"), harness.db.write() as session:
        session.connection().execute(update(Run).where(col(Run.id) == run.id).values(state="running"))
    harness.store.record(run.id, mlflow_run_id="m")
    assert harness.store.get(run.id).mlflow_run_id == "m"


def test_same_run_comes_back_when_the_key_is_the_same(make_harness: MakeHarness) -> None:
    store = make_harness().store
    key = StartKey("k")
    keyed = NewRun(trigger=Trigger.MANUAL, from_stage="set_seed", params={}, requested_by="ann", key=key)
    first, created = store.create(keyed)
    again, created_again = store.create(keyed)
    assert (first.id, created, created_again) == (again.id, True, False)
    store.move(first.id, RunState.QUEUED, RunState.CANCELLED)
    assert store.create(keyed)[0].id == first.id


def test_move_loses_the_race_when_somebody_was_first(make_harness: MakeHarness) -> None:
    store = make_harness().store
    run, _ = store.create(NEW)
    store.move(run.id, RunState.QUEUED, RunState.RUNNING)
    with pytest.raises(LostRaceError):
        store.move(run.id, RunState.QUEUED, RunState.CANCELLED)


def test_state_is_the_fold_of_its_events_when_a_run_has_ended(make_harness: MakeHarness) -> None:
    harness = make_harness()
    run = harness.run_to_end()
    with harness.db.read() as session:
        events = session.exec(select(RunEvent).where(RunEvent.run_id == run.row.id).order_by(col(RunEvent.id))).all()
    assert [event.new for event in events] == ["queued", "running", "succeeded"]
    assert [event.old for event in events] == [None, "queued", "running"]


def test_unknown_run_is_named_when_it_is_asked_for(make_harness: MakeHarness) -> None:
    with pytest.raises(ProblemError, match="There is no run 17") as caught:
        make_harness().store.get("17")
    assert (caught.value.id, caught.value.status) == ("RUN-02", 404)


def test_numbers_have_no_gap_when_ticks_are_skipped(make_harness: MakeHarness) -> None:
    harness = make_harness()
    harness.store.create(NEW)
    harness.store.create_skipped(NEW, "busy")
    assert [row.number for row in harness.queries.page().rows] == [2, 1]
    assert harness.queries.page().rows[0].reason == "busy"
