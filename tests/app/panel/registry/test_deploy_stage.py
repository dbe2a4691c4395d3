"""The deploy stage: what goes live, what does not, and that a failure leaves what was."""

import errno
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from app.panel.registry import deployer
from pipeline.core.disk import disk_problem
from pipeline.core.pointer import Pointer, read_pointer, write_pointer
from pipeline.core.problems import BundleError, ProblemError
from tests.app.panel.registry.conftest import RegistryHarness
from tests.builders.disks import SmallDisk
from tests.builders.problems import problem


def test_the_first_model_goes_live_when_it_passed_the_gate(registry: RegistryHarness) -> None:
    result = registry.deploy(1)
    assert (result.version, result.deployed, result.bundle) == (1, True, "run-1")
    assert result.reason == "The gate says promote."
    assert registry.api.seen == [1]
    assert registry.history() == [("deploy", None, 1, "done")]
    assert any("3 golden rows match over HTTP" in line for line in registry.log.lines)
    live = registry.queries.live()
    assert live is not None
    assert (live.version, live.state, live.score, live.can_promote) == (1, "live", 0.8, False)
    assert live.live_since is not None


def test_it_is_published_but_not_live_when_it_lost_at_the_gate(registry: RegistryHarness) -> None:
    registry.deploy(1)
    result = registry.deploy(2, "keep")
    assert (result.version, result.deployed, result.reason) == (2, False, "The gate says keep.")
    assert registry.live == 1
    assert [(row.version, row.state) for row in registry.queries.view().rows] == [(2, "kept"), (1, "live")]
    registry.models.promote(2, "anna")
    assert registry.live == 2


def test_nothing_is_published_when_the_live_model_is_the_same(registry: RegistryHarness) -> None:
    registry.deploy(1, model="same")
    result = registry.deploy(2, "identical", model="same")
    assert (result.version, result.deployed, result.reason) == (1, False, "The gate says identical.")
    assert registry.models.next_version() == 2
    assert len(registry.history()) == 1


def test_an_attempt_that_is_repeated_changes_nothing_when_it_had_already_gone_live(registry: RegistryHarness) -> None:
    registry.deploy(1)
    result = registry.deploy(1, attempt=2)
    assert (result.version, result.deployed) == (1, False)
    assert len(registry.history()) == 1


@pytest.mark.parametrize("with_champion", [True, False])
def test_the_pointer_goes_back_when_the_answers_differ(registry: RegistryHarness, with_champion: bool) -> None:
    if with_champion:
        registry.deploy(1)
    registry.api.shift = 2e-5
    with pytest.raises(ProblemError, match="DEPLOY-03"):
        registry.deploy(2)
    assert registry.live == (1 if with_champion else None)
    assert registry.history()[-1][3] == "failed"
    assert registry.queries.view().rows[0].state == "failed"


def test_the_pointer_goes_back_when_the_api_refuses_the_model(registry: RegistryHarness) -> None:
    registry.deploy(1)
    registry.api.refused = {2}
    with pytest.raises(ProblemError, match="DEPLOY-02") as caught:
        registry.deploy(2)
    assert "It is broken" in caught.value.why
    assert registry.live == 1


def test_the_pointer_goes_back_when_the_api_takes_too_long(
    registry: RegistryHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.deploy(1)
    registry.api.stuck = True
    monkeypatch.setattr(deployer, "ACTIVATION_TIMEOUT_S", 0.2)
    with pytest.raises(ProblemError, match="DEPLOY-01") as caught:
        registry.deploy(2)
    assert "version 1" in caught.value.why
    assert registry.live == 1
    assert caught.value.retryable


def test_a_retry_goes_live_when_the_first_attempt_failed(registry: RegistryHarness) -> None:
    registry.deploy(1)
    registry.api.shift = 1.0
    with pytest.raises(ProblemError, match="DEPLOY-03"):
        registry.deploy(2)
    registry.api.shift = 0.0
    assert registry.deploy(2, attempt=2).deployed
    assert registry.live == 2


def test_nothing_is_touched_when_the_api_does_not_run(registry: RegistryHarness) -> None:
    registry.api.problem = problem("SVC-02", "It is not ready.")
    with pytest.raises(ProblemError, match="SVC-02"):
        registry.deploy(1)
    assert registry.live is None
    assert registry.history() == [("deploy", None, 1, "failed")]


def test_the_pointer_goes_back_when_the_run_is_cancelled(registry: RegistryHarness) -> None:
    registry.deploy(1)
    registry.api.stuck = True
    ctx, result = registry.trained(2)
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(ProblemError, match="DEPLOY-08"):
        registry.models.deploy(ctx, result, registry.log, stop)
    assert registry.live == 1


def test_a_stale_attempt_changes_nothing_when_a_later_one_came_before(registry: RegistryHarness) -> None:
    registry.deploy(1)
    registry.api.shift = 1.0
    with pytest.raises(ProblemError, match="DEPLOY-03"):
        registry.deploy(2, attempt=2)
    registry.api.shift = 0.0
    with pytest.raises(ProblemError, match="DEPLOY-06"):
        registry.deploy(2, attempt=1)
    assert registry.live == 1


def test_a_damaged_bundle_is_not_published(registry: RegistryHarness) -> None:
    ctx, result = registry.trained(1)
    (result.bundle_dir / "model.onnx").write_bytes(b"something else")
    with pytest.raises(BundleError, match="MODEL-02"):
        registry.models.deploy(ctx, result, registry.log, threading.Event())
    assert registry.live is None
    assert registry.queries.view().rows == ()


def test_it_gets_another_number_when_its_own_was_taken_meanwhile(registry: RegistryHarness) -> None:
    registry.deploy(1)
    late = registry.trained(2)
    registry.deploy(3)
    assert registry.live == 2
    ctx = late[0].model_copy(update={"version": registry.models.next_version()})
    result = registry.models.deploy(ctx, late[1], registry.log, threading.Event())
    assert (result.version, result.bundle, registry.live) == (3, "run-2", 3)
    pointer = read_pointer(registry.models_dir)
    assert pointer is not None
    assert pointer.bundle == "run-2"


def test_the_run_carries_a_warning_when_tracking_has_one(registry: RegistryHarness) -> None:
    registry.warning = "MLF-01: MLflow is not there."
    assert registry.deploy(1).deployed
    assert registry.log.warnings == ["MLF-01: MLflow is not there."]


@pytest.mark.process
def test_the_live_model_stays_whole_when_the_models_are_full_or_read_only(
    tmp_path: Path, small_disk: Callable[..., SmallDisk]
) -> None:
    disk = small_disk(tmp_path / "models")
    registry = RegistryHarness(tmp_path)
    try:
        registry.deploy(1)
        for breaks in (disk.fill, disk.make_read_only):
            breaks()
            with pytest.raises(OSError, match=r"No space left|Read-only") as caught:
                registry.deploy(2)
            named = disk_problem(caught.value, (registry.models_dir,))
            assert named is not None
            assert named.folders == (registry.models_dir,)
            assert (registry.live, registry.api.seen) == (1, [1])
            assert [path.name for path in (registry.models_dir / "versions").glob("[!.]*")] == ["run-1"]
        disk.make_read_only(on=False)
        disk.free()
        assert registry.deploy(2).deployed
        assert registry.live == 2
        assert not list((registry.models_dir / "versions").glob(".*"))
    finally:
        registry.close()


def test_the_previous_version_is_put_back_later_when_the_pointer_cannot_be_written(
    registry: RegistryHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.deploy(1)
    registry.api.shift = 2e-5
    write, calls = write_pointer, iter((True, False))

    def refuse_second(models_dir: Path, pointer: Pointer | None) -> None:
        if not next(calls):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(models_dir, pointer)

    with monkeypatch.context() as patch:
        patch.setattr(deployer, "write_pointer", refuse_second)
        with pytest.raises(ProblemError, match="DEPLOY-03"):
            registry.deploy(2)
    assert (registry.live, registry.history()[-1][3]) == (2, "pending")
    assert "could not be put back yet" in registry.log.warnings[-1]
    registry.api.shift = 0.0
    registry.deploy(3)
    assert [row[3] for row in registry.history()] == ["done", "failed", "done"]


def test_a_bundle_that_a_killed_attempt_left_half_written_is_written_anew_when_its_number_is_taken(
    registry: RegistryHarness,
) -> None:
    ctx, result = registry.trained(1)
    registry.deploy(2)
    left = ctx.run_dir / "bundle-2"
    left.mkdir()
    (left / "model.onnx").write_bytes(b"half")
    ctx = ctx.model_copy(update={"version": 2})
    assert registry.models.deploy(ctx, result, registry.log, threading.Event()).deployed
    assert registry.live == 2
