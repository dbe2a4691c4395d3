"""A prediction API that only follows the pointer and repeats golden answers; on request it misbehaves."""

import contextlib
import http.server
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pipeline.core.bundle import bundle_dir, read_manifest
from pipeline.core.manifest import Manifest
from pipeline.core.pointer import read_pointer, says_no_model
from pipeline.core.prediction_api import LIVE_DATA_HEADER, PROCESSOR_METRIC, Prediction, ProblemMembers, Readiness
from pipeline.core.problems import BundleError

EMPTY: Final[Mapping[str, str]] = MappingProxyType({})


class FakeApi:
    """Serves on a free port of loopback from a thread. Implements `registry.deployer.Services`.

    `stuck`: does not follow the pointer any more. `wanted`: the version that it says it should serve. `refused`: versions that it does not take. `shift`: added to each
    answer. `failing`: versions that answer requests for predictions with a server error. `row_s`: processor time that it says a row
    takes, by version. `metrics`: what `/metrics` answers. `may_answer`: cleared, no request gets an answer, as in a
    flood. `problem`: raised by `wait_ready`.
    """

    def __init__(self, models_dir: Path) -> None:
        self.models_dir = models_dir
        self.stuck = False
        self.refused: set[int] = set()
        self.shift = 0.0
        self.failing: set[int] = set()
        self.row_s: dict[int, float] = {}
        self.metrics = ""
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.n_refused = 0
        self.wanted: int | None = None
        self.is_lost = False
        self.problem: Exception | None = None
        self.live: Manifest | None = None
        self.seen: list[int] = []
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                api.may_answer.wait(60)
                self._answer(*api.get(self.path))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                api.may_answer.wait(60)
                status, answers = api.predict(body if isinstance(body, list) else [body])
                row_s = api.row_s.get(api.live.version, 0.0001) if api.live else 0.0
                timing = {"Server-Timing": f"{PROCESSOR_METRIC};dur={1000 * row_s:.3f}"}
                content = json.dumps(answers if isinstance(body, list) or status != 200 else answers[0]).encode()
                self._answer(status, content, timing if self.headers.get(LIVE_DATA_HEADER) == "no" else {})

            def _answer(self, status: int, body: bytes, headers: Mapping[str, str] = EMPTY) -> None:
                with contextlib.suppress(OSError):  # the client has given up
                    self.send_response(status)
                    for name, value in {**headers, "Content-Length": str(len(body))}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.may_answer.set()
        self._server.shutdown()
        self._server.server_close()

    def wait_ready(self, *_: Any) -> None:
        if self.problem is not None:
            raise self.problem

    def url(self, _: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def get(self, path: str) -> tuple[int, bytes]:
        if path == "/metrics":
            return 200, self.metrics.encode()
        self._follow()
        problem = ProblemMembers(id="MODEL-03", what="The new model could not be loaded.", why="It is broken.")
        readiness = Readiness(
            ready=self.live is not None and not self.is_lost,
            version=self.live.version if self.live else None,
            digest=self.live.digest if self.live else None,
            loaded_at=None,
            reload_failed=self.n_refused,
            wanted=self.wanted,
            problem=problem if self.n_refused else None,
        )
        return 200 if readiness.ready else 503, readiness.model_dump_json().encode()

    def predict(self, records: list[dict[str, Any]]) -> tuple[int, Any]:
        assert self.live is not None
        if self.live.version in self.failing:
            return 500, ProblemMembers(id="API-16", what="Internal error.").model_dump()
        golden = {json.dumps(row.record): row for row in self.live.golden}
        answers = []
        for record in records:
            row = golden.get(json.dumps(record), self.live.golden[0])
            assert row.probabilities is not None
            shifted = [value + self.shift for value in row.probabilities]
            probabilities = dict(zip(self.live.classes, shifted, strict=True))
            version = self.live.version
            answers.append(Prediction(prediction="no", probabilities=probabilities, model_version=version))
        return 200, [answer.model_dump() for answer in answers]

    def _follow(self) -> None:
        try:
            pointer = read_pointer(self.models_dir)
        except BundleError:
            return
        if pointer is None and not says_no_model(self.models_dir):
            return
        if self.stuck or (pointer and self.live and pointer.version == self.live.version):
            return
        if pointer is not None and pointer.version in self.refused:
            self.n_refused += 1
            return
        self.live = read_manifest(bundle_dir(self.models_dir, pointer), pointer.sha256) if pointer else None
        if pointer is not None:
            self.seen.append(pointer.version)
