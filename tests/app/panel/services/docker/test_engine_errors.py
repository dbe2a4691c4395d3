"""Each way in which an engine refuses or is not there becomes one problem with an id, a cause and one command."""

import http.server
import json
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from app.panel.services.docker import connection
from app.panel.services.docker.engine import Engine
from app.panel.services.docker.engine_errors import ErrorContext, to_problem
from app.panel.services.docker.engine_problems import NotInContainerError
from app.panel.services.docker.problems import ContainerOutOfMemoryError, NetworkNameTakenError
from pipeline.core.problems import ProblemError

PORT = "driver failed programming external connectivity on endpoint ml-api: Bind for 127.0.0.1:8000 failed: port is already allocated"
NATIVE_PORT = "Ports are not available: listen tcp4 127.0.0.1:8000: bind: address already in use"
NAME = (
    'Conflict. The container name "/ml-api" is already in use by container "1f2e". You have to remove that container.'
)
TLS = "Get https://registry-1.example/v2/: net/http: TLS handshake timeout"


class FailingEngine(http.server.BaseHTTPRequestHandler):
    """An engine that answers everything but its version with one error."""

    status = 500
    message = ""
    api = "1.41"
    components: ClassVar[list[dict[str, str]]] = [{"Name": "Engine", "Version": "20.10.24"}]

    def do_GET(self) -> None:
        if self.path.endswith("/version"):
            version = {"Version": "20.10.24", "ApiVersion": self.api, "MinAPIVersion": "1.12"}
            self.reply(200, version | {"Components": self.components})
        else:
            self.reply(self.status, {"message": self.message})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.reply(self.status, {"message": self.message})

    def reply(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""


@contextmanager
def engine_that_says(folder: Path, status: int, message: str, api: str = "1.41") -> Iterator[Engine]:
    handler = type("Handler", (FailingEngine,), {"status": status, "message": message, "api": api})
    path = str(folder / "docker.sock")
    with socketserver.ThreadingUnixStreamServer(path, handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        engine = Engine(path=path)
        yield engine
        engine.close()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "message", "id", "named"),
    [
        (500, PORT, "PORT-01", "API_PORT"),
        (500, NATIVE_PORT, "PORT-01", "Port 8000"),
        (409, NAME, "NAME-01", "ml-api"),
        (404, "No such image: sha256:00", "IMG-01", "--build"),
        (500, TLS, "NET-01", "TLS handshake"),
        (500, "could not find an available, non-overlapping IPv4 address pool", "NET-02", "network prune"),
        (500, "write /var/lib/docker/x: no space left on device", "DOCK-10", "docker system"),
        (500, "fork/exec runc: cannot allocate memory", "DOCK-11", "memory"),
        (400, "OCI runtime create failed: stat /nope: no such file or directory", "SVC-01", "/nope"),
        (500, "something nobody has seen before", "DOCK-08", "something nobody has seen before"),
    ],
)
def test_the_id_says_what_is_wrong_when_the_engine_refuses(
    tmp_path: Path, status: int, message: str, id: str, named: str
) -> None:
    with engine_that_says(tmp_path, status, message) as engine, pytest.raises(ProblemError) as caught:
        engine.create("ml-api", {}, ErrorContext("ml-api", 8000, "API_PORT"))
    assert caught.value.id == id
    assert named in str(caught.value)
    assert caught.value.fix
    assert caught.value.command
    assert "\n" not in str(caught.value)


def test_the_version_is_named_when_the_engine_is_too_old(tmp_path: Path) -> None:
    with (
        engine_that_says(tmp_path, 200, "", api="1.40") as engine,
        pytest.raises(ProblemError, match=r"1\.40") as caught,
    ):
        engine.info()
    assert caught.value.id == "DOCK-06"


def test_podman_is_told_from_docker_when_it_says_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with engine_that_says(tmp_path, 200, "") as engine:
        engine.info()
        assert not engine.is_podman
        engine.close()
        monkeypatch.setattr(FailingEngine, "components", [{"Name": "Podman Engine", "Version": "4.3.1"}])
        engine.info()
        assert engine.is_podman


def test_the_missing_socket_is_named_when_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match=r"nothing at .*gone\.sock") as caught:
        Engine(path=str(tmp_path / "gone.sock"), source="/somewhere").info()
    assert caught.value.id == "DOCK-01"
    assert "DOCKER_SOCK" in caught.value.fix
    assert "make run" in caught.value.fix


def test_the_variable_and_the_folder_are_named_when_the_engine_made_one_for_a_path_with_a_typo(tmp_path: Path) -> None:
    with pytest.raises(ProblemError) as caught:
        Engine(path=str(tmp_path), source="/var/run/dcoker.sock").info()
    assert caught.value.id == "DOCK-01"
    assert "DOCKER_SOCK names /var/run/dcoker.sock, which is a folder and no socket" in caught.value.what
    assert "remove that folder" in caught.value.fix


def test_what_is_there_is_named_when_no_variable_is_set(tmp_path: Path) -> None:
    file = tmp_path / "docker.sock"
    file.write_text("")
    with pytest.raises(ProblemError, match=f"a file is at {file} and no socket"):
        Engine(path=str(file)).info()
    with pytest.raises(ProblemError, match=f"a folder is at {tmp_path} and no socket"):
        Engine(path=str(tmp_path)).info()


def test_the_group_is_named_when_the_socket_may_not_be_used() -> None:
    denied = PermissionError(13, "Permission denied")
    problem = to_problem(denied, ErrorContext(socket_group=998))
    assert (problem.id, "group 998" in problem.what) == ("DOCK-02", True)


def test_the_variable_is_named_when_its_socket_may_not_be_used_or_nobody_listens(tmp_path: Path) -> None:
    denied = to_problem(
        PermissionError(13, "Permission denied"), ErrorContext(socket_group=998, socket_source="/x.sock")
    )
    assert "DOCKER_SOCK names, /x.sock, belongs to group 998" in denied.what
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with pytest.raises(ProblemError, match=r"behind DOCKER_SOCK, /x\.sock, does not respond") as caught:
        Engine(path=str(path), source="/x.sock").info()
    assert caught.value.id == "DOCK-07"


def test_a_security_module_is_named_when_the_group_may_use_the_socket() -> None:
    assert to_problem(PermissionError(13, "Permission denied"), ErrorContext()).id == "DOCK-05"


def test_the_way_to_the_other_socket_is_shown_when_the_engine_is_rootless(tmp_path: Path) -> None:
    engine = Engine(path=str(tmp_path / "gone.sock"), address="unix:///run/user/1000/docker.sock")
    with pytest.raises(ProblemError) as caught:
        engine.info()
    assert caught.value.id == "DOCK-03"
    assert caught.value.command == "DOCKER_SOCK=/run/user/1000/docker.sock docker compose up -d"


@pytest.mark.parametrize("address", ["tcp://build.example:2376", "ssh://me@build.example"])
def test_the_machine_is_named_when_the_engine_is_on_another_one(address: str) -> None:
    with pytest.raises(ProblemError, match=address) as caught:
        Engine(address=address).info()
    assert caught.value.id == "DOCK-04"


def test_it_may_come_back_when_nobody_listens_on_the_socket(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with pytest.raises(ProblemError) as caught:
        Engine(path=str(path)).info()
    assert (caught.value.id, caught.value.retryable) == ("DOCK-07", True)


@pytest.mark.parametrize("garbage", [b"", b"nonsense\r\n\r\n", b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"Api'])
def test_it_is_a_problem_and_no_traceback_when_the_answer_is_garbage(tmp_path: Path, garbage: bytes) -> None:
    class Garbage(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(4096)
            self.request.sendall(garbage)

    path = str(tmp_path / "docker.sock")
    with socketserver.ThreadingUnixStreamServer(path, Garbage) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        with pytest.raises(ProblemError) as caught:
            Engine(path=path).info()
        server.shutdown()
        thread.join()
    assert caught.value.id == "DOCK-07"


@pytest.mark.slow
def test_one_caller_waits_and_the_others_fail_at_once_when_the_engine_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page asks while three services are looked after: each waiting for its own turn would take four times as long."""
    monkeypatch.setattr(connection, "READ_TIMEOUT_S", 1.0)
    monkeypatch.setattr(connection, "RETRY_S", 0.0)
    path = tmp_path / "hung.sock"
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(path))
        hung.listen(64)
        engine = Engine(path=str(path))

        def ask(_: int) -> str:
            with pytest.raises(ProblemError) as caught:
                engine.info()
            return caught.value.id

        assert ask(0) == "DOCK-07"
        start_s = time.monotonic()
        with ThreadPoolExecutor(6) as pool:
            assert set(pool.map(ask, range(6))) == {"DOCK-07"}
        assert time.monotonic() - start_s < 1.9


def test_it_is_asked_again_only_after_a_moment_when_the_engine_was_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "docker.sock"
    monkeypatch.setattr(connection, "RETRY_S", 0.3)
    engine = Engine(path=str(path))
    with pytest.raises(ProblemError, match="DOCK-01"):
        engine.info()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        start_s = time.monotonic()
        message = ""
        while "DOCK-07" not in message and time.monotonic() - start_s < 5:
            with pytest.raises(ProblemError) as caught:
                engine.info()
            message = str(caught.value)
        assert 0.1 < time.monotonic() - start_s < 2, "refused by a socket on which nobody listens"


def test_the_rest_is_named_too() -> None:
    assert NotInContainerError().id == "DOCK-09"
    assert "limit 512 MiB" in ContainerOutOfMemoryError.at_limit("ml-app", 512 * 2**20).what
    assert NetworkNameTakenError("x_serving").id == "NAME-02"


def test_there_is_no_log_and_no_problem_when_the_container_is_being_removed(tmp_path: Path) -> None:
    refusal = "can not get logs from container which is dead or marked for removal"
    with engine_that_says(tmp_path, 409, refusal) as engine:
        assert engine.logs("1f2e", since_s=0, limit=5) == ""
