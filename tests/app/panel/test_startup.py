"""The conditions under which the panel serves, and the problems with which it refuses."""

import json
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.panel import __main__ as entry
from app.panel import cli_stop, startup
from app.panel.clock import SystemClock
from app.panel.db.migrate import open_database
from app.panel.settings import Settings
from app.processes.tree import identity
from app.web.tls import pinned_context
from bench.ports import free_port, free_ports
from bench.wait import until
from pipeline.core.problems import ProblemError
from tests.app.panel.db.history import change, fill
from tests.builders.certificates import make_certificate

pytestmark = pytest.mark.process


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("PANEL_", "ML_PIPELINE_", "API_PORT")):
            monkeypatch.delenv(name)


def settings(folder: Path, port: int = 0) -> Settings:
    return Settings(state_dir=folder / "state", panel_port=port or free_port())


def test_command_line_wins_when_the_environment_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANEL_PORT", "1001")
    monkeypatch.setenv("API_PORT", "1002")
    Path("ml-pipeline.toml").write_text("API_PORT = 1003\nAPP_PORT = 1004\n")
    values = startup.read_settings(["--port", "1000", "--retry-delay-s", "2.5"])
    assert (values.panel_port, values.api_port, values.app_port, values.retry_delay_s) == (1000, 1002, 1004, 2.5)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"PANEL_PORT": "http"}, "PANEL_PORT ('http')"),
        ({"PANEL_PORT": "70000"}, "PANEL_PORT ('70000')"),
        ({"PANEL_PORT": "x", "RETRIES": "-1"}, "RETRIES ('-1')"),
        ({"ML_PIPELINE_RUNTIME": "kubernetes"}, "ML_PIPELINE_RUNTIME"),
        ({"STAGE_MEMORY_BYTES": "1000"}, "STAGE_MEMORY_BYTES ('1000'): Input should be 0 or at least 536870912"),
    ],
)
def test_setting_is_named_when_it_is_not_valid(
    environ: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert entry.main([]) == 78
    output = capsys.readouterr().err
    assert output.startswith("CONF-01: ")
    assert words in output
    assert output.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "id"), [("PANLE_PORT = 1", "CONF-01"), ("no toml", "CONF-02"), ("PANEL_PORT = 'x'", "CONF-01")]
)
def test_file_is_refused_when_it_says_something_wrong(text: str, id: str) -> None:
    Path("ml-pipeline.toml").write_text(text)
    with pytest.raises(ProblemError) as caught:
        startup.read_settings([])
    assert caught.value.id == id


def test_secret_is_not_shown_when_it_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("ml-pipeline.toml").write_text("PANEL_PASSWORD = ['hush']")
    with pytest.raises(ProblemError) as caught:
        startup.read_settings([])
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("option", ["--panel-password", "--panel-api-token"])
def test_secret_is_no_option_when_its_file_is_one(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        startup.read_settings([option, "hush"])
    assert f"unrecognized arguments: {option}" in capsys.readouterr().err
    assert startup.read_settings([f"{option}-file", "secret.txt"])


@pytest.mark.parametrize("service", ["API", "APP", "MLFLOW"])
def test_panel_does_not_start_when_a_service_would_get_its_cookie(
    service: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PANEL_PUBLIC_URL", "https://box.example")
    monkeypatch.setenv(f"{service}_PUBLIC_URL", "http://Box.example:5000/")
    assert entry.main([]) == 78
    output = capsys.readouterr().err
    assert output.startswith(f"PANEL-10: {service}_PUBLIC_URL has the host name of PANEL_PUBLIC_URL, box.example.")
    assert output.count("\n") == 1


@pytest.mark.parametrize(
    "url", ["box.example", "ftp://box.example", "https://box.example/mlflow", "https://a@b", "https://"]
)
def test_public_address_is_refused_when_it_is_more_or_less_than_scheme_and_host(url: str) -> None:
    with pytest.raises(ProblemError) as caught:
        startup.read_settings(["--mlflow-public-url", url])
    assert caught.value.id == "CONF-01"


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        ({}, "PANEL_PASSWORD and API_KEY are not set"),
        ({"PANEL_PASSWORD": "a long password"}, "API_KEY is not set"),
        ({"API_KEY": "a long key"}, "PANEL_PASSWORD is not set"),
    ],
)
def test_panel_does_not_start_when_others_could_use_it_without_a_secret(
    environ: dict[str, str], missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(entry, "_published_addresses", lambda _: None)
    monkeypatch.delenv("API_KEY", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert entry.main(["--host", "0.0.0.0"]) == 78
    output = capsys.readouterr().err
    assert output.startswith(f"CONF-03: PANEL_HOST is 0.0.0.0, which other machines can reach, and {missing}.")
    assert output.count("\n") == 1


@pytest.mark.parametrize(
    ("published", "is_refused"),
    [
        (("127.0.0.1",), False),
        (("127.0.0.1", "::1"), False),
        ((), False),
        (("0.0.0.0",), True),
        (("127.0.0.1", "192.0.2.5"), True),
        (None, True),
    ],
)
def test_panel_in_a_container_needs_no_secret_when_it_is_published_on_loopback_only(
    published: tuple[str, ...] | None, *, is_refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("API_KEY", raising=False)
    with pytest.raises(ProblemError) if is_refused else nullcontext():
        startup.check_exposed(Settings(panel_host="0.0.0.0"), lambda: published)


def test_panel_does_not_start_when_its_services_are_published_for_others_without_a_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("API_KEY", raising=False)
    own = Settings(panel_host="0.0.0.0", publish_address="192.0.2.5")
    with pytest.raises(ProblemError, match=r"PUBLISH_ADDRESS is 192\.0\.2\.5, which other machines can reach"):
        startup.check_exposed(own, lambda: ("127.0.0.1",))


def test_panel_starts_on_any_address_when_both_secrets_are_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("API_KEY_FILE", str(tmp_path / "key"))
    own = Settings(panel_host="0.0.0.0", password_file=tmp_path / "password")
    startup.check_exposed(own, lambda: pytest.fail("nobody need ask the engine"))


def test_owner_is_named_when_another_panel_has_the_folder(tmp_path: Path) -> None:
    own_settings = settings(tmp_path)
    with startup.lock(own_settings):
        with pytest.raises(ProblemError) as caught:
            startup.lock(own_settings)
        assert f"process {os.getpid()} on port {own_settings.panel_port}" in caught.value.why
        assert startup.EXIT_CODES[caught.value.id] == 75
        assert caught.value.why == f"It is locked by process {os.getpid()} on port {own_settings.panel_port}."
        assert startup.lock_owner(own_settings) == os.getpid()
    assert caught.value.id == "PANEL-04"
    startup.lock(own_settings).close()


def test_owner_is_nobody_when_it_was_killed_and_nobody_has_waited_for_it(tmp_path: Path) -> None:
    own_settings = settings(tmp_path)
    owner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    own_settings.state_dir.mkdir()
    (own_settings.state_dir / "panel.lock").write_text(f"a panel\n{json.dumps(identity(owner.pid))}\n")
    assert startup.lock_owner(own_settings) == owner.pid
    owner.kill()
    os.waitid(os.P_PID, owner.pid, os.WEXITED | os.WNOWAIT)
    assert startup.lock_owner(own_settings) is None
    owner.wait()


@pytest.mark.parametrize("content", ["", "process 1 on port 2\n", "process 1 on port 2\n[1]\n", 'x\n{"pid": 1}\n'])
def test_owner_is_unknown_when_the_file_does_not_say_who_it_is(tmp_path: Path, content: str) -> None:
    own_settings = settings(tmp_path)
    assert startup.lock_owner(own_settings) is None
    assert not own_settings.state_dir.exists()
    own_settings.state_dir.mkdir()
    (own_settings.state_dir / "panel.lock").write_text(content)
    assert startup.lock_owner(own_settings) is None


def test_port_is_named_when_it_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert entry.main(["--port", str(port), "--ml-pipeline-state", str(tmp_path / "state")]) == 78
    output = capsys.readouterr().err
    assert output.startswith(f"PANEL-05: Port {port} is already in use.")
    assert output.count("\n") == 1


def test_printed_link_leads_to_the_panel_when_the_first_address_of_localhost_is_ipv6(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", partial(_resolve, socket.getaddrinfo))
    settings = Settings(panel_host="localhost", panel_port=free_port())
    with ExitStack() as stack:
        listener, *_ = [stack.enter_context(closing(each)) for each in startup.listen(settings)]
        assert settings.panel_url == "http://{}:{}".format(*listener.getsockname())


def _resolve(getaddrinfo: Callable[..., list[Any]], host: str, *args: object, **kwargs: object) -> list[Any]:
    return getaddrinfo("::1" if host == "localhost" else host, *args, **kwargs)


def test_token_is_kept_and_private_when_it_is_made(tmp_path: Path) -> None:
    token = startup.ensure_cli_token(tmp_path)
    assert len(token) >= 32
    assert startup.ensure_cli_token(tmp_path) == token
    assert stat.S_IMODE((tmp_path / "cli-token").stat().st_mode) == 0o600


def test_what_others_could_read_is_closed_when_the_panel_starts(tmp_path: Path) -> None:
    own = Settings(data_dir=tmp_path / "data", state_dir=tmp_path / "data" / "state", models_dir=tmp_path / "models")
    raw, processed = own.data_dir / "raw", own.data_dir / "processed"
    for folder in (raw, processed, own.state_dir):  # no folder of models yet
        folder.mkdir(parents=True)
        folder.chmod(0o755)
    own.database.touch(0o644)
    before = os.umask(0o022)
    try:
        startup.keep_private(own)
        own.runs_dir.mkdir()
        assert [stat.S_IMODE(path.stat().st_mode) for path in (own.runs_dir, own.database)] == [0o700, 0o600]
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (raw, processed, own.state_dir)] == [0o755, 0o700, 0o700]


def test_reason_is_given_when_the_disk_of_the_state_folder_is_full(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        startup.lock(Settings(state_dir=tmp_path)).close()  # that takes no space
        with pytest.raises(ProblemError) as caught:
            startup.ensure_cli_token(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.id == "PANEL-03"
    assert startup.ensure_cli_token(tmp_path)


def real_environ(tmp_path: Path, port: int) -> dict[str, str]:
    """Return the environment of a panel of its own, in `tmp_path` and on free ports."""
    return {
        **os.environ,
        "PYTHONPATH": str(Path(startup.__file__).parents[2]),
        "ML_PIPELINE_DATA": str(tmp_path / "data"),
        "ML_PIPELINE_STATE": str(tmp_path / "state"),
        "ML_PIPELINE_MODELS": str(tmp_path / "models"),
        "PANEL_PORT": str(port),
        **dict(zip(("API_PORT", "APP_PORT", "MLFLOW_PORT"), map(str, free_ports(3)), strict=True)),
    }


def test_exit_code_tells_of_it_when_a_worker_cannot_start(tmp_path: Path) -> None:
    environ = real_environ(tmp_path, free_port())
    path = tmp_path / "state" / "panel.db"
    open_database(path, SystemClock().now()).close()
    fill(path, 1, state="running")
    change(path, "CREATE TRIGGER refuse BEFORE UPDATE ON run BEGIN SELECT RAISE(ABORT, 'nobody may end it'); END")
    panel = subprocess.run(
        [sys.executable, "-m", "app.panel"], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert panel.returncode == 3
    assert "nobody may end it" in panel.stderr
    assert panel.stdout == ""


def test_panel_does_not_start_when_its_certificate_cannot_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["--panel-tls-cert", "nowhere.pem", "--panel-tls-key", "nowhere.key"]) == 78
    output = capsys.readouterr().err
    assert output.startswith("CONF-04: PANEL_TLS_CERT cannot be used. nowhere.pem: No such file or directory.")
    assert output.count("\n") == 1


@pytest.mark.slow
def test_everything_works_by_https_when_there_is_a_certificate(tmp_path: Path) -> None:
    port = free_port()
    files = make_certificate(tmp_path)
    environ = {**real_environ(tmp_path, port), "PANEL_TLS_CERT": str(files.cert), "PANEL_TLS_KEY": str(files.key)}
    environ |= {"ML_PIPELINE_RUNTIME": "process", "PANEL_ALLOWED_HOSTS": "box.test"}
    panel = subprocess.Popen([sys.executable, "-m", "app.panel"], env=environ, stdout=subprocess.PIPE, text=True)
    try:
        assert panel.stdout is not None
        assert panel.stdout.readline().startswith(f"Control panel: https://127.0.0.1:{port}/login?token=")
        token = (tmp_path / "state" / "cli-token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        context = pinned_context(files.cert)
        with httpx2.Client(base_url=f"https://127.0.0.1:{port}", headers=headers, verify=context) as client:
            until(
                lambda: client.get("/api/v1/services").json()["is_healthy"],
                within_s=120,
                what="all services are healthy",
            )
            rows = {row["name"]: row["url"] for row in client.get("/api/v1/services").json()["services"]}
            assert rows["api"] == f"https://127.0.0.1:{environ['API_PORT']}"
            strict = client.get("/healthz", headers={"Host": f"box.test:{port}"}).headers
            assert strict["strict-transport-security"] == "max-age=31536000"
            assert "strict-transport-security" not in client.get("/healthz").headers
            app = client.get(f"https://127.0.0.1:{environ['APP_PORT']}/livez")
            assert app.status_code == 200
        terminal = subprocess.run(
            [sys.executable, "-m", "app.panel.cli", "status"],
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert terminal.returncode == 0, terminal.stderr
        assert f"https://127.0.0.1:{port}" in terminal.stdout
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert not plain.recv(100).startswith(b"HTTP")
    finally:
        panel.send_signal(signal.SIGINT)  # which ends the services as well
        panel.wait(20)
        assert panel.stdout is not None
        panel.stdout.close()


@pytest.mark.parametrize(
    ("number", "is_in_container", "parent", "ends"),
    [
        (signal.SIGINT, False, 4321, True),
        (signal.SIGHUP, False, 4321, True),
        (signal.SIGTERM, False, 4321, False),
        (signal.SIGTERM, False, 1, False),
        (signal.SIGTERM, True, 4321, False),
        (signal.SIGTERM, True, 1, True),
        (signal.SIGTERM, True, 0, True),
    ],
)
def test_services_end_with_the_panel_when_nothing_could_take_them_over(
    number: int, *, is_in_container: bool, parent: int, ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getppid", lambda: parent)
    assert entry.ends_services(number, is_in_container=is_in_container) is ends


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_panel_stops_with_exit_code_0_when_it_is_told_to(tmp_path: Path, how: signal.Signals) -> None:
    port = free_port()
    environ = real_environ(tmp_path, port)
    panel = subprocess.Popen([sys.executable, "-m", "app.panel"], env=environ, stdout=subprocess.PIPE, text=True)
    try:
        assert panel.stdout is not None
        assert panel.stdout.readline().startswith(f"Control panel: http://127.0.0.1:{port}/login?token=")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
            assert answer.status == 200
        started = time.monotonic()
        panel.send_signal(how)
        assert panel.wait(20) == 0
        assert time.monotonic() - started < 15
    finally:
        panel.kill()
        panel.wait()
        cli_stop.down(Settings(state_dir=tmp_path / "state", runtime="process"))
        assert panel.stdout is not None
        panel.stdout.close()
