"""Promote, roll back, hold, recover, keep room."""

import shutil
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from app.panel.clock import SystemClock
from app.panel.registry import monitor, retention
from app.panel.registry.store import Ledger
from pipeline.core.bundle import pointer_to, read_pointer, write_pointer
from pipeline.core.problems import ProblemError
from tests.app.panel.registry.conftest import World


def until(condition: Callable[[], bool], deadline_s: float = 10.0) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_the_version_before_is_live_within_two_seconds_when_it_is_rolled_back(world: World) -> None:
    world.deploy(1)
    world.deploy(2)
    begun = time.monotonic()
    row = world.models.rollback("anna")
    assert time.monotonic() - begun < 2
    assert (row.kind, row.from_version, row.to_version, row.who, row.outcome) == ("rollback", 2, 1, "anna", "done")
    assert world.api.seen == [1, 2, 1]
    held = world.queries.find(2)
    assert held is not None
    assert held.is_held


def test_a_model_stays_out_when_it_was_rolled_back_until_a_person_promotes_it(world: World) -> None:
    world.deploy(1, model="good")
    world.deploy(2, model="bad")
    world.models.rollback("anna")
    for cycle in (3, 4, 5):
        result = world.deploy(cycle, model="bad")
        assert (result.version, result.deployed) == (2, False)
        assert "until a person promotes it" in result.reason
    assert (world.live, len(world.log.warnings)) == (1, 3)
    world.begin()
    assert not world.deploy(6, model="bad").deployed
    world.models.promote(2, "anna")
    assert world.live == 2
    world.deploy(7)
    assert world.deploy(8, model="bad").deployed


def test_rolling_back_again_goes_further_back_when_there_is_more(world: World) -> None:
    for run in (1, 2, 3):
        world.deploy(run)
    world.models.rollback("anna")
    assert world.live == 2
    world.models.rollback("anna")
    assert world.live == 1
    with pytest.raises(ProblemError, match="DEPLOY-07"):
        world.models.rollback("anna")


def test_a_rollback_goes_where_it_is_told_when_a_version_is_named(world: World) -> None:
    for run in (1, 2, 3):
        world.deploy(run)
    world.models.rollback("anna", to=1)
    assert world.live == 1
    world.models.rollback("anna", to=3)
    assert [(row.version, row.is_held) for row in world.queries.view().rows] == [(3, False), (2, False), (1, True)]


def test_it_is_refused_when_there_is_no_such_version_or_it_is_live(world: World) -> None:
    world.deploy(1)
    with pytest.raises(ProblemError, match="DEPLOY-04"):
        world.models.promote(9, "anna")
    with pytest.raises(ProblemError, match="DEPLOY-05"):
        world.models.promote(1, "anna")


def test_the_ledger_says_what_was_live_at_any_time(world: World) -> None:
    clock = SystemClock()
    before = clock.now()
    world.deploy(1)
    between = clock.now()
    world.deploy(2)
    assert world.queries.live_at(before) is None
    row = world.queries.live_at(between)
    assert row is not None
    assert row.to_version == 1
    now = world.queries.live_at(clock.now() + timedelta(seconds=1))
    assert now is not None
    assert now.to_version == 2


def test_an_unfinished_deployment_is_undone_when_the_panel_starts_again(world: World) -> None:
    world.deploy(1)
    ctx, result = world.trained(2)
    world.api.problem = ProblemError("SVC-02", "It is not ready.")
    with pytest.raises(ProblemError, match="SVC-02"):
        world.models.deploy(ctx, result, world.log, threading.Event())
    # As a panel leaves it that is killed right after the swap.
    ledger = Ledger(world.db, SystemClock())
    before = read_pointer(world.models_dir)
    assert before is not None
    after = before.model_copy(update={"version": 2, "bundle": "run-2"})
    ledger.begin("deploy", before, after, who="run", why="", run_id="run-2", attempt=3)
    write_pointer(world.models_dir, after)
    with pytest.raises(ProblemError, match="DEPLOY-06"):
        ledger.begin("promote", before, after, who="anna", why="")
    world.begin()
    world.models.recover()
    assert world.live == 1
    assert world.ledger()[-1] == ("deploy", 1, 2, "failed")
    world.api.problem = None
    assert world.deploy(2, attempt=4).deployed


def test_it_goes_back_by_itself_when_errors_appear_after_a_deployment(tmp_path: Path) -> None:
    world = World(tmp_path, watch_s=30.0)
    world.deploy(1)
    world.deploy(2)
    world.api.n_errors = 5
    until(lambda: world.ledger()[-1][0] == "auto_rollback" and world.ledger()[-1][3] == "done")
    until(lambda: world.ledger()[1] == ("deploy", 1, 2, "undone"))
    assert world.live == 1
    assert "server error" in world.queries.deployments()[0].why
    assert not world.deploy(3, model="2").deployed
    world.close()


def test_the_watch_goes_on_when_the_panel_starts_again(tmp_path: Path) -> None:
    world = World(tmp_path, watch_s=30.0)
    world.deploy(1)
    world.deploy(2)
    world.models.close()
    world.begin()
    world.models.recover()
    world.api.n_errors = 5
    until(lambda: world.ledger()[1] == ("deploy", 1, 2, "undone"))
    assert world.live == 1
    world.close()


def test_a_model_stays_when_the_api_only_starts_with_the_panel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "LOST_S", 0.5)
    monkeypatch.setattr(monitor, "LOOK_EVERY_S", 0.1)
    world = World(tmp_path, watch_s=3.0)
    world.deploy(1)
    world.deploy(2)
    world.models.close()
    world.api.is_lost = True
    world.begin()
    world.models.recover()
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == "watch"])
    assert world.live == 2
    # Once it was there, to be away is to be lost.
    world.api.is_lost = False
    world.deploy(3)
    world.api.is_lost = True
    until(lambda: world.ledger()[-1][0] == "auto_rollback")
    world.close()


def test_no_watch_goes_on_when_its_time_was_over_before_the_panel_started_again(tmp_path: Path) -> None:
    world = World(tmp_path, watch_s=0.0)
    world.deploy(1)
    world.watch_s = 0.001
    world.begin()
    world.models.recover()
    assert not [thread for thread in threading.enumerate() if thread.name == "watch"]
    world.close()


def test_two_deployments_take_turns_when_they_meet(world: World) -> None:
    for run in (1, 2, 3):
        world.deploy(run, "promote" if run == 1 else "keep")
    threads = [threading.Thread(target=world.models.promote, args=(version, "anna")) for version in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert {row[3] for row in world.ledger()} == {"done"}
    assert len(world.ledger()) == 3
    assert world.live == world.ledger()[-1][2]


def test_old_bundles_go_but_never_the_live_one_or_the_one_before(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention.surplus, "__defaults__", (2,))
    for run in (1, 2, 3):
        world.deploy(run)
    world.models.promote(2, "anna")
    world.deploy(4)
    world.deploy(5, "keep")
    states = {row.version: row.state for row in world.queries.view().rows}
    assert states == {5: "kept", 4: "live", 3: "pruned", 2: "previous", 1: "pruned"}
    on_disk = sorted(path.name for path in (world.models_dir / "versions").iterdir())
    assert on_disk == ["run-2", "run-4", "run-5"]
    with pytest.raises(ProblemError, match="DEPLOY-05"):
        world.models.promote(1, "anna")


def test_what_a_killed_panel_left_half_done_is_removed_when_it_starts(world: World) -> None:
    world.deploy(1)
    for name in (".new-run-2-77", ".old-run-0"):
        (world.models_dir / "versions" / name).mkdir()
    world.models.recover()
    assert [path.name for path in (world.models_dir / "versions").iterdir()] == ["run-1"]
    assert world.live == 1


def test_numbers_go_on_when_the_database_was_lost(world: World) -> None:
    world.deploy(1)
    world.deploy(2)
    with world.db.write() as session:
        session.connection().exec_driver_sql("DELETE FROM model_version")
    assert world.models.next_version() == 3


def refuse_holding(world: World) -> None:
    """From now on the database takes no change of `is_held`: as if the panel were killed before it."""
    with world.db.write() as session:
        session.connection().exec_driver_sql(
            "CREATE TRIGGER no_hold BEFORE UPDATE OF is_held ON model_version BEGIN SELECT RAISE(ABORT, 'killed'); END"
        )


def test_no_rollback_takes_effect_without_the_hold_when_it_is_cut_short(world: World) -> None:
    world.deploy(1)
    world.deploy(2)
    refuse_holding(world)
    with pytest.raises(IntegrityError):
        world.models.rollback("anna")
    assert world.live == 2
    assert world.ledger()[-1] == ("rollback", 2, 1, "failed")


def test_a_model_stays_held_when_its_promotion_fails(world: World) -> None:
    world.deploy(1, model="good")
    world.deploy(2, model="bad")
    world.models.rollback("anna")
    world.api.refused = {2}
    with pytest.raises(ProblemError, match="DEPLOY-02"):
        world.models.promote(2, "anna")
    assert not world.deploy(3, model="bad").deployed


def test_a_rollback_is_refused_when_another_version_went_live_meanwhile(world: World) -> None:
    world.deploy(1)
    world.deploy(2)
    world.deploy(3)
    with pytest.raises(ProblemError, match="DEPLOY-06"):
        world.models.rollback("anna", to=1, leaving=2)
    world.api.stuck = True
    deploying = threading.Thread(target=world.deploy, args=(4,))
    deploying.start()
    until(lambda: world.live == 4)
    # The page, and the pointer, still said 3 when it was asked for.
    caught: list[ProblemError] = []

    def back() -> None:
        try:
            world.models.rollback("anna", to=2, leaving=3)
        except ProblemError as problem:
            caught.append(problem)

    rolling = threading.Thread(target=back)
    rolling.start()
    world.api.stuck = False
    deploying.join(20)
    rolling.join(20)
    assert [problem.id for problem in caught] == ["DEPLOY-06"]
    assert world.live == 4
    assert not any(row.is_held for row in world.queries.view().rows)


def test_nothing_is_deleted_when_a_switch_is_under_way(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for run in (1, 2, 3, 4):
        world.deploy(run)
    world.models.promote(1, "anna")
    world.api.refused = {3}
    monkeypatch.setattr(retention.surplus, "__defaults__", (1,))
    world.api.stuck = True

    def promote() -> None:
        with pytest.raises(ProblemError, match="DEPLOY-02"):
            world.models.promote(3, "anna")

    promoting = threading.Thread(target=promote)
    promoting.start()
    until(lambda: world.live == 3)
    world.deploy(5, "keep")
    world.api.stuck = False
    promoting.join(20)
    assert world.live == 1
    pointer = read_pointer(world.models_dir)
    assert pointer is not None
    assert pointer_to(world.models_dir, pointer.bundle) == pointer


def test_a_new_model_takes_the_place_of_one_that_cannot_be_read(world: World) -> None:
    world.deploy(1)
    world.deploy(2)
    shutil.rmtree(world.models_dir / "versions" / "run-2")
    assert world.deploy(3).deployed
    (world.models_dir / "current.json").write_text("not a pointer")
    assert world.deploy(4).deployed
    assert any("not intact" in warning for warning in world.log.warnings)


def test_the_pointer_is_put_back_when_it_cannot_be_read(world: World) -> None:
    world.deploy(1)
    world.deploy(2)
    before = read_pointer(world.models_dir)
    (world.models_dir / "current.json").write_text("not a pointer")
    world.models.recover()
    assert read_pointer(world.models_dir) == before


def test_the_next_deployment_goes_on_when_one_could_not_be_closed(world: World) -> None:
    world.deploy(1)
    before, after = read_pointer(world.models_dir), None
    Ledger(world.db, SystemClock()).begin("promote", before, after, who="anna", why="")
    assert world.deploy(2).deployed
    assert [row[3] for row in world.ledger()] == ["done", "failed", "done"]


def test_the_panel_starts_when_the_version_to_go_back_to_is_gone(world: World) -> None:
    world.deploy(1)
    world.deploy(2)
    ledger = Ledger(world.db, SystemClock())
    ledger.begin("promote", pointer_to(world.models_dir, "run-1"), read_pointer(world.models_dir), who="anna", why="")
    shutil.rmtree(world.models_dir / "versions" / "run-1")
    world.models.recover()
    assert world.live == 2
    assert world.ledger()[-1] == ("promote", 1, 2, "done")


def test_earlier_errors_are_not_laid_at_a_model_s_door_when_the_api_did_not_count_at_first(tmp_path: Path) -> None:
    world = World(tmp_path, watch_s=2.5)
    world.api.n_errors = 5
    world.deploy(1)
    world.api.counts_from = time.monotonic() + 1
    world.deploy(2)
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == "watch"])
    assert world.live == 2
    world.close()
