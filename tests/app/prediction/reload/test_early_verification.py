"""The live bundle is verified from the first moment on, and by nobody a second time."""

import asyncio
from pathlib import Path

import pytest

from app.prediction.reload import reloader as module
from app.prediction.reload.early_verification import EarlyVerification
from app.prediction.reload.reloader import ModelReloader
from app.prediction.settings import ApiSettings
from bench.bundles import make_bundle
from pipeline.core.pointer import pointer_path, write_pointer
from pipeline.core.problems import BundleError

pytestmark = pytest.mark.process


def _served(reloader: ModelReloader) -> int | None:
    return reloader.live_model.model.version if reloader.live_model else None


def test_a_bundle_is_not_verified_again_when_it_was_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_bundle(tmp_path, version=3)
    settings = ApiSettings(models_dir=tmp_path)
    early = EarlyVerification.of_live(settings)
    monkeypatch.delattr(module, "verify")
    reloader = ModelReloader(settings, early)
    asyncio.run(reloader.poll_once())
    assert (_served(reloader), reloader.problem) == (3, None)


def test_another_bundle_is_verified_when_the_pointer_has_moved_meanwhile(tmp_path: Path) -> None:
    first, second = (make_bundle(tmp_path, version=v, seed=v) for v in (1, 2))
    write_pointer(tmp_path, first.pointer)
    settings = ApiSettings(models_dir=tmp_path)
    early = EarlyVerification.of_live(settings)
    (second.folder / "model.onnx").write_bytes(b"")
    write_pointer(tmp_path, second.pointer)
    reloader = ModelReloader(settings, early)
    asyncio.run(reloader.poll_once())
    assert reloader.problem is not None
    assert (_served(reloader), reloader.problem.id) == (None, "MODEL-02")


def test_what_is_wrong_with_a_bundle_is_told_when_it_was_verified_from_the_start(tmp_path: Path) -> None:
    built = make_bundle(tmp_path)
    (built.folder / "model.onnx").write_bytes(b"")
    early = EarlyVerification.of_live(ApiSettings(models_dir=tmp_path))
    assert early is not None
    assert early.is_of(built.folder, built.pointer.sha256)
    with pytest.raises(BundleError, match="MODEL-02"):
        asyncio.run(early.wait())


def test_nothing_is_verified_when_there_is_no_pointer_to_follow(tmp_path: Path) -> None:
    settings = ApiSettings(models_dir=tmp_path)
    assert EarlyVerification.of_live(settings) is None
    pointer_path(tmp_path).write_bytes(b"{")
    assert EarlyVerification.of_live(settings) is None
