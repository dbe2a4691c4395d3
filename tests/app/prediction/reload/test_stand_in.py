"""An API that starts beside lost or damaged files serves the newest version that was live and can be loaded."""

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from app.prediction.reload.reloader import ModelReloader
from app.prediction.scoring.model import Model
from app.prediction.settings import ApiSettings
from bench.bundles import Built, make_bundle
from pipeline.core.ledger import LEDGER_FILE
from pipeline.core.pointer import pointer_path, write_pointer
from tests.app.prediction.conftest import StartApi

pytestmark = pytest.mark.process


def _deployed(models: Path, *moves: tuple[str, str | None, str]) -> None:
    """Write a ledger of deployments that were done: kind, bundle that was left, bundle that went live."""
    lines = [
        {"event": "deployment", "id": i, "kind": kind, "outcome": "done", "from_bundle": left, "to_bundle": to}
        for i, (kind, left, to) in enumerate(moves, start=1)
    ]
    (models / LEDGER_FILE).write_text("\n".join(map(json.dumps, lines)))


@pytest.fixture
def built(tmp_path: Path) -> dict[int, Built]:
    """Return four versions: 3 is live, 1 was before, 2 was rolled back, 4 lost at the gate."""
    models = tmp_path / "models"
    built = {version: make_bundle(models, version=version, seed=version % 2, live=False) for version in (1, 2, 3, 4)}
    moves = (("deploy", None, "run-1"), ("deploy", "run-1", "run-2"), ("rollback", "run-2", "run-1"))
    _deployed(models, *moves, ("deploy", "run-1", "run-3"))
    write_pointer(models, built[3].pointer)
    return built


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "graph flipped": lambda folder: _flip(folder / "model.onnx"),
    "graph gone": lambda folder: (folder / "model.onnx").unlink(),
    "manifest flipped": lambda folder: _flip(folder / "manifest.json"),
    "manifest cut": lambda folder: (folder / "manifest.json").write_bytes(b"{"),
    "all gone": shutil.rmtree,
    "pointer cut": lambda folder: pointer_path(folder.parent.parent).write_bytes(b"{"),
}


def _started(models: Path) -> ModelReloader:
    """Return the reloader of an API that has just started."""
    reloader = ModelReloader(ApiSettings(models_dir=models))
    was_loading = reloader.is_loading
    asyncio.run(reloader.poll_once())
    assert (was_loading, reloader.is_loading) == (True, False)
    return reloader


def _served(reloader: ModelReloader) -> int | None:
    return reloader.live_model.model.version if reloader.live_model else None


@pytest.mark.parametrize("damage", DAMAGE)
def test_the_version_before_stands_in_when_the_live_one_cannot_be_loaded(
    built: dict[int, Built], tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    DAMAGE[damage](built[3].folder)
    reloader = _started(tmp_path / "models")
    expected = 3 if damage == "pointer cut" else 1
    assert _served(reloader) == expected
    assert reloader.problem is not None
    assert reloader.problem.id == ("MODEL-01" if damage == "pointer cut" else "MODEL-02")
    assert reloader.wanted == (None if damage == "pointer cut" else 3)
    assert f"action=stand_in version={expected}" in caplog.text


def test_the_version_that_was_live_last_is_served_when_the_pointer_is_gone(
    built: dict[int, Built], tmp_path: Path
) -> None:
    pointer_path(tmp_path / "models").unlink()
    reloader = _started(tmp_path / "models")
    assert _served(reloader) == 3
    write_pointer(tmp_path / "models", built[3].pointer)
    asyncio.run(reloader.poll_once())
    assert (_served(reloader), reloader.problem, reloader.counts.reloads) == (3, None, 1)


def test_a_version_that_may_not_serve_stays_out_when_no_other_is_left(built: dict[int, Built], tmp_path: Path) -> None:
    for version in (1, 3):
        shutil.rmtree(built[version].folder)
    assert _served(_started(tmp_path / "models")) is None


def test_the_next_one_stands_in_when_one_cannot_be_loaded_for_a_reason_that_nobody_knows(
    built: dict[int, Built], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (built[3].folder / "model.onnx").unlink()
    models = tmp_path / "models"
    _deployed(models, ("deploy", None, "run-1"), ("deploy", "run-1", "run-4"), ("deploy", "run-4", "run-3"))
    check_golden = Model.check_golden

    def fail(model: Model) -> None:
        if model.version == 4:
            raise RuntimeError("whatever")
        check_golden(model)

    monkeypatch.setattr(Model, "check_golden", fail)
    assert _served(_started(models)) == 1


def test_the_answer_is_not_that_there_never_was_a_model_when_the_pointer_moves_while_it_is_loaded(
    built: dict[int, Built], tmp_path: Path
) -> None:
    models = tmp_path / "models"

    async def follow() -> tuple[bool, bool]:
        reloader = ModelReloader(ApiSettings(models_dir=models))
        looking = asyncio.create_task(reloader.poll_once())
        await asyncio.sleep(0)  # it has seen the pointer; verifying takes much longer
        write_pointer(models, built[1].pointer)
        await looking
        was_loading = reloader.is_loading
        await reloader.poll_once()
        assert _served(reloader) == 1
        return was_loading, reloader.is_loading

    assert asyncio.run(follow()) == (True, False)


def test_none_is_served_when_the_pointer_says_so(built: dict[int, Built], tmp_path: Path) -> None:
    assert built
    write_pointer(tmp_path / "models", None)
    reloader = _started(tmp_path / "models")
    assert (_served(reloader), reloader.problem) == (None, None)


def test_what_is_wanted_and_what_is_served_are_told_when_they_differ(
    built: dict[int, Built], tmp_path: Path, start_api: StartApi
) -> None:
    models = tmp_path / "models"
    graph = built[3].folder / "model.onnx"
    content = graph.read_bytes()
    graph.write_bytes(b"")
    with start_api(models) as api:
        ready = api.wait_until(lambda ready: ready["ready"])
        assert (ready["version"], ready["wanted"], ready["problem"]["id"]) == (1, 3, "MODEL-02")
        assert api.predict({}).json()["model_version"] == 1
        graph.write_bytes(content)
        write_pointer(models, built[3].pointer)
        api.wait_for(3)
        assert api.wait_until(lambda ready: ready["problem"] is None)["wanted"] == 3


def test_the_answer_says_so_when_nothing_can_be_served(
    built: dict[int, Built], tmp_path: Path, start_api: StartApi
) -> None:
    for version in (1, 3):
        _flip(built[version].folder / "model.onnx")
    with start_api(tmp_path / "models") as api:
        ready = api.wait_until(lambda ready: ready["problem"] is not None and ready["problem"]["id"] != "API-21")
        assert (ready["ready"], ready["wanted"], ready["problem"]["id"]) == (False, 3, "MODEL-02")
        answer = api.predict({})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.json()["id"] == "API-22"
        assert "MODEL-02: The model of bundle run-3 was changed." in answer.json()["why"]


def test_the_answer_is_to_try_again_when_the_model_is_still_being_loaded(
    built: dict[int, Built], tmp_path: Path, start_api: StartApi
) -> None:
    assert built
    with start_api(tmp_path / "models") as api:
        answers: list[httpx2.Response] = []
        while not answers or answers[-1].status_code != 200:
            answers.append(api.predict({}))
            ready = api.client.get("/readyz")
            if not ready.json()["ready"]:
                assert (ready.headers["retry-after"], ready.json()["problem"]["id"]) == ("1", "API-21")
        assert {answer.json()["id"] for answer in answers[:-1]} <= {"API-21"}
        assert {answer.headers["retry-after"] for answer in answers[:-1]} <= {"1"}
