"""The deploy stage: what goes live, what does not, and that a failure leaves what was."""

import threading

import pytest

from app.panel.registry import deployer
from pipeline.core.bundle import read_pointer
from pipeline.core.problems import BundleError, ProblemError
from tests.app.panel.registry.conftest import RegistryHarness
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
