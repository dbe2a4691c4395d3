"""A prediction API that only follows the pointer and repeats golden answers; on request it misbehaves."""

import http.server
import json
import threading
import time
from pathlib import Path
from typing import Any

from pipeline.core.bundle import Manifest, bundle_dir, read_manifest, read_pointer
from pipeline.core.prediction_api import Prediction, ProblemMembers, Readiness


class FakeApi:
    """Serves on a free port of loopback from a thread. Implements `registry.deployer.Services`.

    `stuck`: does not follow the pointer any more. `refused`: versions that it does not take. `shift`: added to each
    answer. `n_errors`: server errors that `/metrics` admits, from `counts_from` (monotonic) on. `problem`: raised by
    `wait_ready`.
    """

    def __init__(self, models_dir: Path) -> None:
        self.models_dir = models_dir
        self.stuck = False
        self.refused: set[int] = set()
        self.shift = 0.0
        self.n_errors = 0
        self.counts_from = 0.0
        self.n_refused = 0
        self.is_lost = False
        self.problem: Exception | None = None
        self.live: Manifest | None = None
        self.seen: list[int] = []
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(*api.get(self.path))

            def do_POST(self) -> None:
                records = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._answer(*api.predict(records))

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait_ready(self, *_: Any) -> None:
        if self.problem is not None:
            raise self.problem

    def url(self, _: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def get(self, path: str) -> tuple[int, bytes]:
        if path == "/metrics" and time.monotonic() < self.counts_from:
            return 503, b""
        if path == "/metrics":
            text = f'api_requests_total{{route="/predict",status="500"}} {self.n_errors}.0\n'
            return 200, text.encode()
        self._follow()
        problem = ProblemMembers(id="MODEL-03", what="The new model could not be loaded.", why="It is broken.")
        readiness = Readiness(
            ready=self.live is not None and not self.is_lost,
            version=self.live.version if self.live else None,
            digest=self.live.digest if self.live else None,
            loaded_at=None,
            reload_failed=self.n_refused,
            problem=problem if self.n_refused else None,
        )
        return 200 if readiness.ready else 503, readiness.model_dump_json().encode()

    def predict(self, records: list[dict[str, Any]]) -> tuple[int, bytes]:
        assert self.live is not None
        golden = {json.dumps(row.record): row for row in self.live.golden}
        answers = []
        for record in records:
            row = golden[json.dumps(record)]
            assert row.probabilities is not None
            shifted = [value + self.shift for value in row.probabilities]
            probabilities = dict(zip(self.live.classes, shifted, strict=True))
            version = self.live.version
            answers.append(Prediction(prediction="no", probabilities=probabilities, model_version=version))
        return 200, json.dumps([answer.model_dump() for answer in answers]).encode()

    def _follow(self) -> None:
        pointer = read_pointer(self.models_dir)
        if self.stuck or (pointer and self.live and pointer.version == self.live.version):
            return
        if pointer is not None and pointer.version in self.refused:
            self.n_refused += 1
            return
        self.live = read_manifest(bundle_dir(self.models_dir, pointer), pointer.sha256) if pointer else None
        if pointer is not None:
            self.seen.append(pointer.version)
