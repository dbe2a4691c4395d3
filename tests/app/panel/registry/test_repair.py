"""What is lost of the live model comes back from the history of deployments, or from the run that trained it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app.panel.clock import SystemClock
from app.panel.registry.ledger import Ledger
from app.panel.registry.store import DeploymentStore
from pipeline.core.pointer import read_pointer, write_pointer
from tests.app.panel.registry.conftest import RegistryHarness

pytestmark = pytest.mark.slow


def _pointer(registry: RegistryHarness) -> Path:
    return registry.models_dir / "current.json"


def _file(registry: RegistryHarness, run: int, name: str) -> Path:
    return registry.models_dir / "versions" / f"run-{run}" / name


def _flip(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1))


DAMAGE_TO_POINTER: dict[str, Callable[[Path], object]] = {
    "deleted": lambda path: path.unlink(),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:20]),
    "another bundle": lambda path: _flip(path, "run-2", "run-3"),
    "another version": lambda path: _flip(path, '"version": 2', '"version": 3'),
    "another digest": lambda path: _flip(path, '"sha256": "', '"sha256": "0'),
}


@pytest.mark.parametrize("damage", DAMAGE_TO_POINTER)
@pytest.mark.parametrize("occasion", ["a look", "a start", "a run"])
def test_the_pointer_is_written_again_when_it_was_lost(registry: RegistryHarness, damage: str, occasion: str) -> None:
    registry.deploy(1)
    registry.deploy(2)
    before = read_pointer(registry.models_dir)
    DAMAGE_TO_POINTER[damage](_pointer(registry))
    if occasion == "a look":
        assert registry.models.check_live() is None
    elif occasion == "a start":
        registry.begin()
        registry.models.recover()
    else:
        registry.models.next_version()
    assert read_pointer(registry.models_dir) == before
    assert len(registry.history()) == 2
    repair = registry.models.last_repair
    assert repair is not None
    assert "names version 2" in repair.text


def test_no_pointer_is_written_when_none_is_live_on_purpose(registry: RegistryHarness) -> None:
    assert registry.models.check_live() is None
    assert not _pointer(registry).exists()
    registry.api.refused = {1}
    with pytest.raises(Exception, match="DEPLOY-02"):
        registry.deploy(1)
    assert registry.models.check_live() is None
    assert (_pointer(registry).exists(), registry.live) == (True, None)


def test_the_pointer_stays_when_somebody_else_has_moved_it(registry: RegistryHarness) -> None:
    registry.deploy(1)
    first = read_pointer(registry.models_dir)
    registry.deploy(2)
    write_pointer(registry.models_dir, first)
    assert registry.models.check_live() is None
    assert read_pointer(registry.models_dir) == first


def test_the_pointer_stays_when_a_deployment_is_in_progress(registry: RegistryHarness) -> None:
    registry.deploy(1)
    with registry.models._deployer.idle():
        _pointer(registry).unlink()
        fault = registry.models.check_live()
        assert fault is not None
        assert fault.id == "MODEL-01"
        assert not _pointer(registry).exists()
    assert registry.models.check_live() is None


DAMAGE_TO_BUNDLE: dict[str, Callable[[RegistryHarness], object]] = {
    "graph flipped": lambda registry: _flip(_file(registry, 3, "model.onnx"), "graph", "grapg"),
    "graph cut": lambda registry: _file(registry, 3, "model.onnx").write_bytes(b""),
    "graph gone": lambda registry: _file(registry, 3, "model.onnx").unlink(),
    "manifest flipped": lambda registry: _flip(_file(registry, 3, "manifest.json"), "0.8", "0.9"),
    "manifest cut": lambda registry: _file(registry, 3, "manifest.json").write_bytes(b"{"),
    "manifest gone": lambda registry: _file(registry, 3, "manifest.json").unlink(),
    "all gone": lambda registry: shutil.rmtree(_file(registry, 3, "manifest.json").parent),
}


@pytest.mark.parametrize("damage", DAMAGE_TO_BUNDLE)
@pytest.mark.parametrize("with_pointer", [True, False])
def test_the_newest_intact_version_takes_its_place_when_the_live_bundle_is_damaged(
    registry: RegistryHarness, damage: str, with_pointer: bool
) -> None:
    registry.deploy(1)
    registry.deploy(2, model="bad")
    registry.models.roll_back("anna")
    registry.deploy(3)
    registry.deploy(4, "keep")
    DAMAGE_TO_BUNDLE[damage](registry)
    if not with_pointer:
        _pointer(registry).unlink()
    assert registry.models.check_live() is None
    assert registry.live == 1
    row = registry.queries.deployments()[0]
    assert (row.kind, row.from_version, row.to_version, row.actor, row.outcome) == ("fallback", 3, 1, "panel", "done")
    assert "version 3 are damaged" in row.reason
    left = registry.queries.find(3)
    assert left is not None
    assert (left.state, left.is_blocked, left.can_promote) == ("damaged", False, False)
    # The next run may train the same model again: it was not its fault.
    assert registry.deploy(5, model="3").deployed


def test_the_live_bundle_is_restored_when_the_run_that_trained_it_still_has_it(registry: RegistryHarness) -> None:
    registry.deploy(1)
    before = read_pointer(registry.models_dir)
    shutil.copytree(registry.folder / "run-1" / "bundle", registry.folder / "runs" / "run-1" / "bundle")
    for damaged in ("model.onnx", "manifest.json"):
        _file(registry, 1, damaged).write_bytes(b"{")
        assert registry.models.check_live() is None
        assert (read_pointer(registry.models_dir), len(registry.history())) == (before, 1)
    shutil.rmtree(registry.models_dir)
    assert registry.models.check_live() is None
    assert (read_pointer(registry.models_dir), len(registry.history())) == (before, 1)


def test_a_model_is_not_restored_when_the_copy_of_its_run_is_another_one(registry: RegistryHarness) -> None:
    registry.deploy(1)
    registry.deploy(2)
    shutil.copytree(registry.folder / "run-2" / "bundle", registry.folder / "runs" / "run-1" / "bundle")
    DeploymentStore(registry.db, SystemClock(), Ledger(registry.models_dir)).mark_pruned(2)
    registry.models.promote(1, "anna")
    _file(registry, 1, "model.onnx").unlink()
    fault = registry.models.check_live()
    assert fault is not None
    assert fault.id == "MODEL-02"
    # A new model takes the place of one that nothing can be done about.
    assert registry.deploy(3).deployed
    assert registry.models.check_live() is None


def test_the_panel_starts_when_nothing_can_be_written(
    registry: RegistryHarness, caplog: pytest.LogCaptureFixture
) -> None:
    registry.deploy(1)
    _pointer(registry).unlink()
    _pointer(registry).mkdir()
    registry.begin()
    registry.models.recover()
    for _ in range(3):
        fault = registry.models.check_live()
        assert fault is not None
        assert fault.id == "MODEL-01"
    assert caplog.text.count("action=repair_live_model") == 1
    _pointer(registry).rmdir()
    assert registry.models.check_live() is None
    assert registry.live == 1


def test_moment_is_known_when_an_earlier_version_took_the_place_of_a_damaged_one(registry: RegistryHarness) -> None:
    for run in (1, 2, 3):
        registry.deploy(run)
    assert registry.models.fell_back_at() is None
    _file(registry, 3, "model.onnx").unlink()
    shutil.rmtree(registry.folder / "run-3")
    assert registry.models.check_live() is None
    fallback = registry.queries.deployments()[0]
    assert (fallback.kind, registry.live) == ("fallback", 2)
    assert registry.models.fell_back_at() is not None
    registry.deploy(4)
    assert registry.models.fell_back_at() is None
