"""Following the pointer: what comes while a bundle is still being judged."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.prediction.reload.reloader import ModelReloader
from app.prediction.settings import ApiSettings
from bench.bundles import Built, make_bundle
from bench.ports import free_port
from bench.wait import until
from pipeline.core.pointer import write_pointer
from pipeline.core.problems import ProblemError
from tests.app.prediction.conftest import StartApi

pytestmark = pytest.mark.process


def _hang(built: Built) -> Path:
    """From now on whoever reads the model of this bundle waits until somebody writes into the path that is returned."""
    path = built.folder / "model.onnx"
    path.unlink()
    os.mkfifo(path)
    return path


def _wait_for_reader(path: Path) -> int:
    """Return a handle to write to the fifo, as soon as somebody reads from it."""
    return until(
        lambda: os.open(path, os.O_WRONLY | os.O_NONBLOCK), within_s=20, what="the fifo is read", not_yet=(OSError,)
    )


def test_going_back_takes_no_longer_when_another_bundle_is_being_verified(tmp_path: Path, start_api: StartApi) -> None:
    models = tmp_path / "models"
    first, second, third = (make_bundle(models, version=v, seed=v, live=v == 1) for v in (1, 2, 3))
    with start_api(models) as api:
        api.wait_for(1)
        write_pointer(models, second.pointer)
        api.wait_for(2)
        fifo = _hang(third)
        write_pointer(models, third.pointer)
        handle = _wait_for_reader(fifo)
        started = time.monotonic()
        write_pointer(models, first.pointer)
        api.wait_for(1, timeout_s=2)
        assert time.monotonic() - started < 2
        with pytest.raises(BrokenPipeError):  # its verifier has ended
            os.write(handle, b"x")
        os.close(handle)


def test_a_bundle_never_goes_live_when_it_was_withdrawn_during_verification(tmp_path: Path) -> None:
    first, second = (make_bundle(tmp_path, version=v, seed=v, live=v == 1) for v in (1, 2))

    async def follow() -> list[int]:
        reloader = ModelReloader(ApiSettings(models_dir=tmp_path))
        await reloader.poll_once()
        live = []
        for _ in range(3):
            write_pointer(tmp_path, second.pointer)
            looking = asyncio.create_task(reloader.poll_once())
            await asyncio.sleep(0)  # it has seen the pointer; verifying takes much longer
            write_pointer(tmp_path, first.pointer)
            await looking
            assert reloader.problem is None
            assert reloader.live_model is not None
            live.append(reloader.live_model.model.version)
            await reloader.poll_once()
        write_pointer(tmp_path, second.pointer)
        await reloader.poll_once()
        assert reloader.live_model is not None
        return [*live, reloader.live_model.model.version]

    assert asyncio.run(follow()) == [1, 1, 1, 2]


def test_start_waits_for_the_model_when_another_one_may_serve_meanwhile(tmp_path: Path) -> None:
    make_bundle(tmp_path, version=1, seed=1, live=True)

    async def follow() -> tuple[bool, bool]:
        reloader = ModelReloader(ApiSettings(models_dir=tmp_path))
        await reloader.wait_followed(0.01)
        too_early = reloader.live_model is not None
        following = asyncio.create_task(reloader.run())
        await reloader.wait_followed(60.0)
        following.cancel()
        return too_early, reloader.live_model is not None

    assert asyncio.run(follow()) == (False, True)


def test_it_has_caught_up_when_the_pointer_moved_meanwhile(tmp_path: Path) -> None:
    first, second = (make_bundle(tmp_path, version=v, seed=v, live=v == 1) for v in (1, 2))

    async def catch_up() -> int:
        reloader = ModelReloader(ApiSettings(models_dir=tmp_path))
        catching_up = asyncio.create_task(reloader.catch_up())
        await asyncio.sleep(0)  # it has seen the pointer; verifying takes much longer
        write_pointer(tmp_path, second.pointer)
        await catching_up
        assert reloader.live_model is not None
        return reloader.live_model.model.version

    assert asyncio.run(catch_up()) == 2
    (second.folder / "model.onnx").unlink()
    with pytest.raises(ProblemError, match="MODEL-"):
        asyncio.run(ModelReloader(ApiSettings(models_dir=tmp_path)).catch_up())
    asyncio.run(ModelReloader(ApiSettings(models_dir=first.folder)).catch_up())  # none is live there


def test_it_never_listens_without_the_model_when_it_replaces_an_api_that_has_it(tmp_path: Path) -> None:
    port = free_port()
    built = make_bundle(tmp_path / "models")
    (built.folder / "model.onnx").unlink()
    environ = {"ML_PIPELINE_MODELS": str(tmp_path / "models"), "API_PORT": str(port), "ML_PIPELINE_REPLACES": "true"}
    command = [sys.executable, "-m", "app.prediction"]
    api = subprocess.run(
        command, env={**os.environ, **environ}, capture_output=True, text=True, timeout=60, check=False
    )
    assert api.returncode != 0
    assert "MODEL-" in api.stderr
