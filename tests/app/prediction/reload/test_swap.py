"""A new model goes live without anybody noticing; a broken one never does."""

import hashlib
import http.client
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from bench.bundles import Built, external_data, make_bundle, publish_bundle, records
from pipeline.core.manifest import Manifest, digest_of
from pipeline.core.pointer import Pointer, pointer_path, read_pointer, write_pointer
from tests.app.prediction.conftest import Api, StartApi

pytestmark = pytest.mark.process
ROWS = 12


@dataclass(frozen=True)
class TimedResponse:
    """One response under load, with the times at which the request was sent and the response received."""

    sent_at: float
    received_at: float
    status: int
    versions: set[int]
    numbers: list[float]


class Load:
    """Sends requests all the time, on several connections, until stopped."""

    def __init__(self, port: int, body: bytes, n_clients: int = 3) -> None:
        self._port = port
        self._body = body
        self._stop = threading.Event()
        self.seen: list[TimedResponse] = []
        self._threads = [threading.Thread(target=self._ask) for _ in range(n_clients)]
        for thread in self._threads:
            thread.start()

    def end(self) -> list[TimedResponse]:
        """Stop, and return all responses."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self.seen

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        while not self._stop.is_set():
            sent_at = time.monotonic()
            connection.request("POST", "/predict", self._body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answers = json.loads(response.read())
            versions = {answer["model_version"] for answer in answers}
            numbers = [answer["probability"] for answer in answers]
            self.seen.append(TimedResponse(sent_at, time.monotonic(), response.status, versions, numbers))
        connection.close()


def test_every_answer_is_whole_and_current_when_models_are_swapped_under_load(
    tmp_path: Path, start_api: StartApi
) -> None:
    models = tmp_path / "models"
    built = {v: make_bundle(models, version=v, seed=v % 3, live=v == 1) for v in range(1, 5)}
    rows = records(built[1], ROWS)
    with start_api(models) as api:
        api.wait_for(1)
        offline = {}
        for version, each in built.items():
            write_pointer(models, each.pointer)
            api.wait_for(version)
            offline[version] = [answer["probability"] for answer in api.predict(rows).json()]
        live: list[tuple[float, int]] = [(0.0, 4)]
        load = Load(api.port, json.dumps(rows).encode())
        for version in [1, 2, 1, 3, 4, 3]:
            named = time.monotonic()
            write_pointer(models, built[version].pointer)
            api.wait_for(version)
            live.append((named, version))
        seen = load.end()
    ends = [start for start, _ in live[1:]] + [float("inf")]
    assert len(seen) > 100
    assert {each.status for each in seen} == {200}
    for answer in seen:
        (version,) = answer.versions
        assert answer.numbers == offline[version]
        # It was live, or the one before it that had not been replaced yet, at some moment of the request.
        spans = [(start, end + 10) for (start, named), end in zip(live, ends, strict=True) if named == version]
        assert any(start <= answer.received_at and answer.sent_at <= end for start, end in spans)
    assert {version for each in seen for version in each.versions} == set(built)


def test_rollback_is_instant_when_the_previous_model_is_still_warm(tmp_path: Path, start_api: StartApi) -> None:
    models = tmp_path / "models"
    first, second = (make_bundle(models, version=v, seed=v, live=v == 1) for v in (1, 2))
    with start_api(models) as api:
        api.wait_for(1)
        write_pointer(models, second.pointer)
        api.wait_for(2)
        shutil.rmtree(first.folder)  # it is in memory, so not even its files are needed
        start = time.monotonic()
        write_pointer(models, first.pointer)
        api.wait_for(1, timeout_s=2)
        assert time.monotonic() - start < 2


def _renamed(manifest: Manifest, **changed: Any) -> Manifest:
    renamed = manifest.model_copy(update={"version": 2, "run_id": "broken", **changed})
    return renamed.model_copy(update={"digest": digest_of(renamed)})


def _with_graph(built: Built, model: bytes) -> tuple[Manifest, bytes]:
    changed = {"model_sha256": hashlib.sha256(model).hexdigest(), "model_bytes": len(model)}
    return _renamed(built.manifest, **changed), model


def _nan_graph(built: Built) -> bytes:
    """Answers the golden rows with NaN."""
    proto = onnx.load_from_string(built.model)
    output = proto.graph.node[-1].output[0]
    proto.graph.node[-1].output[0] = "before"
    proto.graph.initializer.append(numpy_helper.from_array(np.array(np.nan, dtype=np.float32), "nan"))
    proto.graph.node.append(helper.make_node("Add", ["before", "nan"], [output]))
    return bytes(proto.SerializeToString())


def _foreign_operator(built: Built) -> bytes:
    proto = onnx.load_from_string(built.model)
    proto.graph.node.append(helper.make_node("Anything", ["numeric"], ["elsewhere"], domain="com.example"))
    proto.opset_import.append(helper.make_opsetid("com.example", 1))
    return bytes(proto.SerializeToString())


def _hungry_graph(built: Built) -> bytes:
    """Asks for more memory than is allowed."""
    proto = onnx.load_from_string(built.model)
    shape = numpy_helper.from_array(np.array([2**34], dtype=np.int64), "huge")
    proto.graph.initializer.append(shape)
    proto.graph.node.append(helper.make_node("ConstantOfShape", ["huge"], ["zeros"]))
    proto.graph.node.append(helper.make_node("ReduceMax", ["zeros"], ["largest"], keepdims=0))
    output = proto.graph.node[-3].output[0]
    proto.graph.node[-3].output[0] = "before"
    proto.graph.node.append(helper.make_node("Add", ["before", "largest"], [output]))
    return bytes(proto.SerializeToString())


def _wrong_signature(_: Built) -> bytes:
    graph = helper.make_graph(
        [helper.make_node("Identity", ["other"], ["probabilities"])],
        "other",
        [helper.make_tensor_value_info("other", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])],
    )
    return bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()
    )


BROKEN: dict[str, tuple[str, Callable[[Built], tuple[Manifest, bytes]]]] = {
    "no model at all": ("MODEL-03", lambda built: _with_graph(built, b"<!doctype html>")),
    "another signature": ("MODEL-03", lambda built: _with_graph(built, _wrong_signature(built))),
    "not a number": ("MODEL-04", lambda built: _with_graph(built, _nan_graph(built))),
    "another model's answers": (
        "MODEL-04",
        lambda built: (_renamed(built.manifest, golden=[g.model_copy(update={"probabilities": [0.5, 0.5]}) for g in built.manifest.golden]), built.model),
    ),
    "no golden rows": ("MODEL-04", lambda built: (_renamed(built.manifest, golden=[]), built.model)),
    "more memory than allowed": ("MODEL-0", lambda built: _with_graph(built, _hungry_graph(built))),
    "data outside the file": ("MODEL-06", lambda built: _with_graph(built, external_data(built.model))),
    "foreign operators": ("MODEL-06", lambda built: _with_graph(built, _foreign_operator(built))),
}  # fmt: skip


def test_the_old_model_stays_when_the_new_one_is_broken(tmp_path: Path, start_api: StartApi) -> None:
    models = tmp_path / "models"
    good = make_bundle(models, version=1)
    with start_api(models) as api:
        api.wait_for(1)
        load = Load(api.port, json.dumps(records(good, 2)).encode(), n_clients=1)
        failures = 0
        for name, (problem, broken) in BROKEN.items():
            shutil.rmtree(models / "versions" / "broken", ignore_errors=True)
            publish_bundle(models, *broken(good))
            _wait_for_failure(api, failures, name, problem)
            failures += 1
            write_pointer(models, good.pointer)
            ready_state = api.wait_until(lambda ready: ready["problem"] is None)
            failures = ready_state["reload_failed"]
        _break_files(api, good, failures)
        seen = load.end()
        assert {each.status for each in seen} == {200}
        assert {version for each in seen for version in each.versions} == {1}
        assert "api_model_reload_failed_total" in api.client.get("/metrics").text


def _break_files(api: Api, good: Built, failures: int) -> None:
    """Damage files as a disk or a person may: each is refused, and the next good pointer is followed again."""
    models = api.models_dir
    pointer = pointer_path(models)
    for text in (b"", b"{", b"null", b"\xff" * 100, b'{"version": 1, "bundle": "../x", "sha256": ""}'):
        pointer.write_bytes(text)
        _wait_for_failure(api, failures, repr(text), "MODEL-01")
        write_pointer(models, good.pointer)
        failures = api.wait_until(lambda ready: ready["problem"] is None)["reload_failed"]
    write_pointer(models, Pointer(version=9, bundle="nowhere", sha256="0" * 64))
    _wait_for_failure(api, failures, "no such folder", "MODEL-02")


def _wait_for_failure(api: Api, failures: int, name: str, id: str) -> None:
    ready_state = api.wait_until(lambda ready: ready["reload_failed"] > failures and ready["problem"] is not None)
    assert ready_state["problem"]["id"].startswith(id), (name, ready_state["problem"])
    assert ready_state["version"] == 1
    assert ready_state["ready"] is True


def test_the_model_stays_when_its_folder_vanishes(tmp_path: Path, start_api: StartApi) -> None:
    models = tmp_path / "models"
    make_bundle(models, version=1)
    with start_api(models) as api:
        api.wait_for(1)
        models.rename(tmp_path / "elsewhere")
        time.sleep(0.6)  # three looks at what is not there
        assert api.predict({}).json()["model_version"] == 1
        make_bundle(models, version=2, seed=1)
        api.wait_for(2)


def test_the_model_stays_when_the_pointer_is_lost(tmp_path: Path, start_api: StartApi) -> None:
    models = tmp_path / "models"
    built = make_bundle(models, version=1)
    with start_api(models) as api:
        api.wait_for(1)
        pointer_path(models).unlink()
        ready_state = api.wait_until(lambda ready: ready["problem"] is not None)
        assert (ready_state["ready"], ready_state["version"], ready_state["problem"]["id"]) == (True, 1, "MODEL-01")
        assert api.predict({}).json()["model_version"] == 1
        write_pointer(models, built.pointer)
        api.wait_until(lambda ready: ready["problem"] is None)


def test_no_model_is_served_when_the_pointer_says_so(tmp_path: Path, start_api: StartApi) -> None:
    models = tmp_path / "models"
    make_bundle(models, version=1)
    with start_api(models) as api:
        api.wait_for(1)
        write_pointer(models, None)
        api.wait_until(lambda ready: not ready["ready"])
        assert api.predict({}).json()["id"] == "API-05"
        assert read_pointer(models) is None


def test_the_api_ends_at_once_when_it_is_told_to(tmp_path: Path, start_api: StartApi) -> None:
    with start_api(tmp_path / "models") as api:
        os.kill(api.process.pid, signal.SIGTERM)
        assert api.process.wait(5) in {0, -signal.SIGTERM}


@pytest.mark.parametrize(
    "setting",
    [
        {"API_PORT": "eighty"},
        {"API_MAX_ROWS": "-1"},
        {"API_KEY_FILE": "/no/such/file"},
        {"API_KEY_FILE": sys.executable},
    ],
)
def test_the_api_says_what_is_wrong_when_a_setting_cannot_be_used(
    setting: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.prediction.settings import ApiSettings
    from pipeline.core.problems import ProblemError
    from pipeline.core.settings import read

    [(name, value)] = setting.items()
    monkeypatch.setenv(name, value)
    with pytest.raises(ProblemError, match=name) as caught:
        read(ApiSettings).bearer()
    assert caught.value.id == ("AUTH-07" if name == "API_KEY_FILE" else "CONF-01")
