"""What is wrong with the live model is mended, and said where people look."""

import logging

import pytest

from app.panel.clock import SystemClock
from app.panel.registry.checker import LiveModelChecker
from app.panel.services.health import health
from app.panel.services.views import ServicesView
from pipeline.core.pointer import read_pointer
from tests.app.panel.registry.conftest import RegistryHarness

pytestmark = pytest.mark.slow


@pytest.fixture
def checker(registry: RegistryHarness) -> LiveModelChecker:
    return LiveModelChecker(registry.models, registry.client, SystemClock())


def test_nothing_is_said_when_all_is_well(registry: RegistryHarness, checker: LiveModelChecker) -> None:
    checker.check_once()
    assert checker.checks() == []
    registry.deploy(1)
    checker.check_once()
    assert checker.checks() == []


def test_a_warning_says_so_when_the_pointer_was_written_again(
    registry: RegistryHarness, checker: LiveModelChecker, caplog: pytest.LogCaptureFixture
) -> None:
    registry.deploy(1)
    before = read_pointer(registry.models_dir)
    (registry.models_dir / "current.json").unlink()
    checker.check_once()
    assert read_pointer(registry.models_dir) == before
    [check] = checker.checks()
    assert (check.state, "current.json" in check.message or "missing" in check.message) == ("warning", True)
    assert "action=repair_live_model" in caplog.text


def test_an_error_says_so_once_when_nothing_can_be_done(
    registry: RegistryHarness, checker: LiveModelChecker, caplog: pytest.LogCaptureFixture
) -> None:
    registry.deploy(1)
    (registry.models_dir / "versions" / "run-1" / "model.onnx").unlink()
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            checker.check_once()
    assert caplog.text.count("action=check_live") == 1
    [check] = checker.checks()
    assert (check.id, check.state) == ("MODEL-02", "error")
    shown = health(ServicesView("process", True, ()), checker.checks())
    assert (shown.level, shown.text) == ("warn", "Live model: MODEL-02")


def test_an_error_says_so_when_the_api_serves_another_version(
    registry: RegistryHarness, checker: LiveModelChecker
) -> None:
    registry.deploy(1)
    registry.deploy(2, "keep")
    registry.api.refused = {2}
    registry.api.wanted = 2
    registry.api.n_refused = 1
    checker.check_once()
    [check] = checker.checks()
    assert check.message == "The prediction API serves version 1 instead of version 2."
    assert check.id == "MODEL-03"
