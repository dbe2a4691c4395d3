"""Promote, roll back, block, recover, prune."""

import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from app.panel.clock import SystemClock
from app.panel.db import patience
from app.panel.db.problems import DatabaseNotWritableError
from app.panel.registry import evidence, monitor, retention
from app.panel.registry.ledger import Ledger
from app.panel.registry.store import DeploymentStore
from bench.wait import until
from pipeline.core.bundle import pointer_to
from pipeline.core.manifest import Scalar
from pipeline.core.pointer import read_pointer, write_pointer
from pipeline.core.prediction_api import Prediction
from pipeline.core.problems import ProblemError
from tests.app.panel.registry.conftest import RegistryHarness

pytestmark = pytest.mark.slow


def test_the_version_before_is_live_within_two_seconds_when_it_is_rolled_back(registry: RegistryHarness) -> None:
    registry.deploy(1)
    registry.deploy(2)
    start_s = time.monotonic()
    row = registry.models.roll_back("anna")
    assert time.monotonic() - start_s < 2
    assert (row.kind, row.from_version, row.to_version, row.actor, row.outcome) == ("rollback", 2, 1, "anna", "done")
    assert registry.api.seen == [1, 2, 1]
    left = registry.queries.find(2)
    assert left is not None
    assert left.is_blocked


def test_a_model_stays_out_when_it_was_rolled_back_until_a_person_promotes_it(registry: RegistryHarness) -> None:
    registry.deploy(1, model="good")
    registry.deploy(2, model="bad")
    registry.models.roll_back("anna")
    for cycle in (3, 4, 5):
        result = registry.deploy(cycle, model="bad")
        assert (result.version, result.deployed) == (2, False)
        assert "until a person promotes it" in result.reason
    assert (registry.live, len(registry.log.warnings)) == (1, 3)
    registry.begin()
    assert not registry.deploy(6, model="bad").deployed
    registry.models.promote(2, "anna")
    assert registry.live == 2
    registry.deploy(7)
    assert registry.deploy(8, model="bad").deployed


def test_rolling_back_again_goes_further_back_when_there_is_more(registry: RegistryHarness) -> None:
    for run in (1, 2, 3):
        registry.deploy(run)
    registry.models.roll_back("anna")
    assert registry.live == 2
    registry.models.roll_back("anna")
    assert registry.live == 1
    with pytest.raises(ProblemError, match="DEPLOY-07"):
        registry.models.roll_back("anna")


def test_a_rollback_goes_where_it_is_told_when_a_version_is_named(registry: RegistryHarness) -> None:
    for run in (1, 2, 3):
        registry.deploy(run)
    registry.models.roll_back("anna", to=1)
    assert registry.live == 1
    registry.models.roll_back("anna", to=3)
    assert [(row.version, row.is_blocked) for row in registry.queries.view().rows] == [
        (3, False),
        (2, False),
        (1, True),
    ]


def test_it_is_refused_when_there_is_no_such_version_or_it_is_live(registry: RegistryHarness) -> None:
    registry.deploy(1)
    with pytest.raises(ProblemError, match="DEPLOY-04"):
        registry.models.promote(9, "anna")
    with pytest.raises(ProblemError, match="DEPLOY-05"):
        registry.models.promote(1, "anna")


def damage(registry: RegistryHarness, run: int) -> None:
    """Flip a byte in the graph that run `run` has published."""
    path = registry.models_dir / "versions" / f"run-{run}" / "model.onnx"
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


def test_the_history_says_what_was_live_at_any_time(registry: RegistryHarness) -> None:
    clock = SystemClock()
    before = clock.now()
    registry.deploy(1)
    between = clock.now()
    registry.deploy(2)
    assert registry.queries.live_at(before) is None
    row = registry.queries.live_at(between)
    assert row is not None
    assert row.to_version == 1
    now = registry.queries.live_at(clock.now() + timedelta(seconds=1))
    assert now is not None
    assert now.to_version == 2


def test_an_unfinished_deployment_is_undone_when_the_panel_starts_again(registry: RegistryHarness) -> None:
    registry.deploy(1)
    ctx, result = registry.trained(2)
    registry.api.problem = ProblemError.restore({"id": "SVC-02", "what": "It is not ready."})
    with pytest.raises(ProblemError, match="SVC-02"):
        registry.models.deploy(ctx, result, registry.log, threading.Event())
    # As a panel leaves it that is killed right after the swap.
    store = DeploymentStore(registry.db, SystemClock(), Ledger(registry.models_dir))
    before = read_pointer(registry.models_dir)
    assert before is not None
    after = before.model_copy(update={"version": 2, "bundle": "run-2"})
    store.begin("deploy", before, after, actor="run", reason="", run_id="run-2", attempt=3)
    write_pointer(registry.models_dir, after)
    with pytest.raises(ProblemError, match="DEPLOY-06"):
        store.begin("promote", before, after, actor="anna", reason="")
    registry.begin()
    registry.models.recover()
    assert registry.live == 1
    assert registry.history()[-1] == ("deploy", 1, 2, "failed")
    registry.api.problem = None
    assert registry.deploy(2, attempt=4).deployed


def test_it_goes_back_by_itself_when_errors_appear_after_a_deployment(tmp_path: Path) -> None:
    registry = RegistryHarness(tmp_path, watch_s=30.0)
    registry.deploy(1)
    registry.deploy(2)
    registry.api.failing = {2}
    until(
        lambda: registry.history()[-1][0] == "auto_rollback" and registry.history()[-1][3] == "done",
        what="the automatic rollback is done",
    )
    until(lambda: registry.history()[1] == ("deploy", 1, 2, "undone"), what="the deployment is undone")
    assert registry.live == 1
    assert "server error" in registry.queries.deployments()[0].reason
    assert not registry.deploy(3, model="2").deployed
    registry.close()


def test_the_watch_goes_on_when_the_panel_starts_again(tmp_path: Path) -> None:
    registry = RegistryHarness(tmp_path, watch_s=30.0)
    registry.deploy(1)
    registry.deploy(2)
    registry.models.close()
    registry.begin()
    registry.models.recover()
    registry.api.failing = {2}
    until(lambda: registry.history()[1] == ("deploy", 1, 2, "undone"), what="the deployment is undone")
    assert registry.live == 1
    registry.close()


def test_a_model_stays_when_the_api_only_starts_with_the_panel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "UNREADY_LIMIT_S", 0.5)
    monkeypatch.setattr(monitor, "CHECK_INTERVAL_S", 0.1)
    registry = RegistryHarness(tmp_path, watch_s=3.0)
    registry.deploy(1)
    registry.deploy(2)
    registry.models.close()
    registry.api.is_lost = True
    registry.begin()
    registry.models.recover()
    until(
        lambda: not [thread for thread in threading.enumerate() if thread.name == "deployment-monitor"],
        what="the monitor ends",
    )
    assert registry.live == 2
    # Once it was there, to be away is to be lost.
    registry.api.is_lost = False
    registry.deploy(3)
    registry.api.is_lost = True
    until(lambda: registry.history()[-1][0] == "auto_rollback", what="the automatic rollback begins")
    registry.close()


def test_no_watch_goes_on_when_its_time_was_over_before_the_panel_started_again(tmp_path: Path) -> None:
    registry = RegistryHarness(tmp_path, watch_s=0.0)
    registry.deploy(1)
    registry.watch_s = 0.001
    registry.begin()
    registry.models.recover()
    assert not [thread for thread in threading.enumerate() if thread.name == "deployment-monitor"]
    registry.close()


def test_an_automatic_rollback_is_recorded_when_the_panel_stops_in_the_middle_of_it(tmp_path: Path) -> None:
    registry = RegistryHarness(tmp_path, watch_s=30.0)
    registry.deploy(1)
    registry.deploy(2)
    registry.api.stuck = True
    registry.api.failing = {2}
    until(lambda: registry.history()[-1][0] == "auto_rollback", what="the automatic rollback begins")
    registry.models.close()
    assert registry.history()[-1] == ("auto_rollback", 2, 1, "failed")
    assert registry.live == 2
    registry.close()


def test_two_deployments_take_turns_when_they_meet(registry: RegistryHarness) -> None:
    for run in (1, 2, 3):
        registry.deploy(run, "promote" if run == 1 else "keep")
    threads = [threading.Thread(target=registry.models.promote, args=(version, "anna")) for version in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert {row[3] for row in registry.history()} == {"done"}
    assert len(registry.history()) == 3
    assert registry.live == registry.history()[-1][2]


def test_old_bundles_go_but_never_the_live_one_or_the_one_before(
    registry: RegistryHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention.surplus, "__defaults__", (2,))
    for run in (1, 2, 3):
        registry.deploy(run)
    registry.models.promote(2, "anna")
    registry.deploy(4)
    registry.deploy(5, "keep")
    states = {row.version: row.state for row in registry.queries.view().rows}
    assert states == {5: "kept", 4: "live", 3: "pruned", 2: "previous", 1: "pruned"}
    on_disk = sorted(path.name for path in (registry.models_dir / "versions").iterdir())
    assert on_disk == ["run-2", "run-4", "run-5"]
    with pytest.raises(ProblemError, match="DEPLOY-05"):
        registry.models.promote(1, "anna")


def test_what_a_killed_panel_left_half_done_is_removed_when_it_starts(registry: RegistryHarness) -> None:
    registry.deploy(1)
    for name in (".new-run-2-77", ".old-run-0"):
        (registry.models_dir / "versions" / name).mkdir()
    registry.models.recover()
    assert [path.name for path in (registry.models_dir / "versions").iterdir()] == ["run-1"]
    assert registry.live == 1


def test_numbers_go_on_when_the_database_was_lost(registry: RegistryHarness) -> None:
    registry.deploy(1)
    registry.deploy(2)
    with registry.db.write() as session:
        session.connection().exec_driver_sql("DELETE FROM model_version")
    assert registry.models.next_version() == 3


def refuse_blocking(registry: RegistryHarness) -> None:
    """From now on the database refuses changes of `is_held`: as if the panel were killed before them."""
    with registry.db.write() as session:
        session.connection().exec_driver_sql(
            "CREATE TRIGGER no_block BEFORE UPDATE OF is_held ON model_version BEGIN SELECT RAISE(ABORT, 'killed'); END"
        )


def test_no_rollback_takes_effect_without_the_block_when_it_is_cut_short(registry: RegistryHarness) -> None:
    registry.deploy(1)
    registry.deploy(2)
    refuse_blocking(registry)
    with pytest.raises(IntegrityError):
        registry.models.roll_back("anna")
    assert registry.live == 2
    assert registry.history()[-1] == ("rollback", 2, 1, "failed")


def test_a_model_stays_blocked_when_its_promotion_fails(registry: RegistryHarness) -> None:
    registry.deploy(1, model="good")
    registry.deploy(2, model="bad")
    registry.models.roll_back("anna")
    registry.api.refused = {2}
    with pytest.raises(ProblemError, match="DEPLOY-02"):
        registry.models.promote(2, "anna")
    assert not registry.deploy(3, model="bad").deployed


def test_a_rollback_is_refused_when_another_version_went_live_meanwhile(registry: RegistryHarness) -> None:
    registry.deploy(1)
    registry.deploy(2)
    registry.deploy(3)
    with pytest.raises(ProblemError, match="DEPLOY-06"):
        registry.models.roll_back("anna", to=1, leaving=2)
    registry.api.stuck = True
    deploying = threading.Thread(target=registry.deploy, args=(4,))
    deploying.start()
    until(lambda: registry.live == 4, what="version 4 is live")
    # The page, and the pointer, still said 3 when it was asked for.
    caught: list[ProblemError] = []

    def back() -> None:
        try:
            registry.models.roll_back("anna", to=2, leaving=3)
        except ProblemError as problem:
            caught.append(problem)

    rolling = threading.Thread(target=back)
    rolling.start()
    registry.api.stuck = False
    deploying.join(20)
    rolling.join(20)
    assert [problem.id for problem in caught] == ["DEPLOY-06"]
    assert registry.live == 4
    assert not any(row.is_blocked for row in registry.queries.view().rows)


def test_nothing_is_deleted_when_a_switch_is_under_way(
    registry: RegistryHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    for run in (1, 2, 3, 4):
        registry.deploy(run)
    registry.models.promote(1, "anna")
    registry.api.refused = {3}
    monkeypatch.setattr(retention.surplus, "__defaults__", (1,))
    registry.api.stuck = True

    def promote() -> None:
        with pytest.raises(ProblemError, match="DEPLOY-02"):
            registry.models.promote(3, "anna")

    promoting = threading.Thread(target=promote)
    promoting.start()
    until(lambda: registry.live == 3, what="version 3 is live")
    registry.deploy(5, "keep")
    registry.api.stuck = False
    promoting.join(20)
    assert registry.live == 1
    pointer = read_pointer(registry.models_dir)
    assert pointer is not None
    assert pointer_to(registry.models_dir, pointer.bundle) == pointer


def test_a_new_model_takes_the_place_of_one_that_cannot_be_read(registry: RegistryHarness) -> None:
    registry.deploy(1)
    registry.deploy(2)
    shutil.rmtree(registry.models_dir / "versions" / "run-2")
    assert registry.deploy(3).deployed
    (registry.models_dir / "current.json").write_text("not a pointer")
    assert registry.deploy(4).deployed
    assert registry.history()[2:] == [("fallback", 2, 1, "done"), ("deploy", 1, 3, "done"), ("deploy", 3, 4, "done")]


def test_a_rollback_skips_a_version_when_it_is_damaged(registry: RegistryHarness) -> None:
    for run in (1, 2, 3, 4):
        registry.deploy(run)
    damage(registry, 3)
    view = registry.queries.view()
    assert view.targets == (3, 2, 1)  # nobody has read it yet: a page reads no bundle
    with pytest.raises(ProblemError, match="DEPLOY-09") as caught:
        registry.models.promote(3, "anna")
    assert (caught.value.status, "run-3 was changed" in caught.value.why) == (409, True)
    with pytest.raises(ProblemError, match="DEPLOY-09"):
        registry.models.roll_back("anna", to=3)
    view = registry.queries.view()
    assert view.targets == (2, 1)
    assert [(row.version, row.state, row.can_promote) for row in view.rows] == [
        (4, "live", False),
        (3, "damaged", False),
        (2, "previous", True),
        (1, "published", True),
    ]
    registry.models.roll_back("anna")
    assert registry.live == 2


def test_a_version_is_damaged_at_once_when_a_file_of_it_is_gone(registry: RegistryHarness) -> None:
    for run in (1, 2, 3):
        registry.deploy(run)
    (registry.models_dir / "versions" / "run-2" / "model.onnx").unlink()
    view = registry.queries.view()
    assert (view.targets, view.rows[1].state) == ((1,), "damaged")


def test_an_automatic_rollback_goes_further_back_when_the_version_before_is_damaged(tmp_path: Path) -> None:
    registry = RegistryHarness(tmp_path, watch_s=30.0)
    for run in (1, 2, 3):
        registry.deploy(run)
    damage(registry, 2)
    registry.api.failing = {3}
    until(lambda: registry.history()[-1] == ("auto_rollback", 3, 1, "done"), what="the automatic rollback is done")
    registry.close()


def test_the_next_deployment_goes_on_when_one_could_not_be_closed(registry: RegistryHarness) -> None:
    registry.deploy(1)
    before, after = read_pointer(registry.models_dir), None
    DeploymentStore(registry.db, SystemClock(), Ledger(registry.models_dir)).begin(
        "promote", before, after, actor="anna", reason=""
    )
    assert registry.deploy(2).deployed
    assert [row[3] for row in registry.history()] == ["done", "failed", "done"]


def test_the_panel_starts_when_the_version_to_go_back_to_is_gone(registry: RegistryHarness) -> None:
    registry.deploy(1)
    registry.deploy(2)
    store = DeploymentStore(registry.db, SystemClock(), Ledger(registry.models_dir))
    store.begin(
        "promote", pointer_to(registry.models_dir, "run-1"), read_pointer(registry.models_dir), actor="anna", reason=""
    )
    shutil.rmtree(registry.models_dir / "versions" / "run-1")
    registry.models.recover()
    assert registry.live == 2
    assert registry.history()[-1] == ("promote", 1, 2, "done")


def refuse_writes(registry: RegistryHarness, on: bool) -> None:
    registry.db.writer.raw_connection().cursor().execute(f"PRAGMA query_only={int(on)}")


def lock_when_served(registry: RegistryHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no write through from the moment on in which the API has answered the golden rows."""
    predict = registry.client.predict

    def predict_then_lock(records: Sequence[Mapping[str, Scalar]]) -> list[Prediction]:
        predictions = predict(records)
        refuse_writes(registry, True)
        return predictions

    monkeypatch.setattr(registry.client, "predict", predict_then_lock)


def test_pointer_and_history_agree_when_the_outcome_could_not_be_written_for_a_while(
    registry: RegistryHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(patience, "RETRY_S", 0.01)
    registry.deploy(1)
    lock_when_served(registry, monkeypatch)
    with ThreadPoolExecutor() as pool:
        deploying = pool.submit(registry.deploy, 2)
        until(lambda: "action=finish_deployment problem=DB-05" in caplog.text, what="the outcome cannot be written")
        assert registry.history()[-1][3] == "pending"
        refuse_writes(registry, False)
        assert deploying.result(timeout=15).deployed
    assert registry.live == 2
    assert [row[3] for row in registry.history()] == ["done", "done"]


def test_pointer_and_history_agree_when_the_panel_stops_before_the_outcome_is_written(
    registry: RegistryHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(patience, "RETRY_S", 0.01)
    registry.deploy(1)
    registry.deploy(2)
    lock_when_served(registry, monkeypatch)
    with ThreadPoolExecutor() as pool:
        promoting = pool.submit(registry.models.promote, 1, "anna")
        until(lambda: "action=finish_deployment problem=DB-05" in caplog.text, what="the outcome cannot be written")
        registry.models.close()
        with pytest.raises(ProblemError):
            promoting.result(timeout=15)
    assert registry.live == 2
    refuse_writes(registry, False)
    registry.begin()
    registry.models.recover()
    assert registry.live == 2
    assert registry.history()[-1] == ("promote", 2, 1, "failed")


def test_person_is_told_when_the_database_cannot_be_written(registry: RegistryHarness) -> None:
    registry.deploy(1)
    registry.deploy(2)
    refuse_writes(registry, True)
    with pytest.raises(DatabaseNotWritableError):
        registry.models.promote(1, "anna")
    refuse_writes(registry, False)
    assert registry.live == 2


def test_deploy_waits_when_the_database_cannot_be_written(
    registry: RegistryHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(patience, "RETRY_S", 0.01)
    refuse_writes(registry, True)
    with ThreadPoolExecutor() as pool:
        deploying = pool.submit(registry.deploy, 1)
        until(lambda: "action=deploy problem=DB-05" in caplog.text, what="the version cannot be recorded")
        refuse_writes(registry, False)
        assert deploying.result(timeout=15).deployed
    assert [row[3] for row in registry.history()] == ["done"]
