"""The loop over real processes: it starts, waits, restarts, reports, and leaves alone what is well."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from app.panel.clock import SystemClock
from app.panel.services import supervisor as module
from app.panel.services.problems import ServiceStartError
from app.panel.services.process.runtime import ProcessRuntime
from app.panel.services.protocol import Placement, ServiceSpec
from app.panel.services.specs import DesiredServices
from app.panel.services.supervisor import ServiceSupervisor, http_probe
from app.panel.services.views import ServiceRow
from bench.ports import free_port, free_ports
from bench.wait import until
from pipeline.core.problems import ProblemError
from tests.app.panel.services.conftest import Supervise, end, fake_spec
from tests.builders.http_server import Answer, http_server

pytestmark = pytest.mark.process
NEVER = threading.Event()


def row_when(
    supervisor: ServiceSupervisor, condition: Callable[[ServiceRow], bool], deadline_s: float = 20.0
) -> ServiceRow:
    """Return the first row of the first service for which the condition holds."""

    def look() -> ServiceRow:
        row = supervisor.view().rows[0]
        assert condition(row), row
        return row

    return until(look, within_s=deadline_s, what="the row", not_yet=(AssertionError,))


def test_all_services_answer_when_the_supervisor_was_started(supervise: Supervise) -> None:
    api, app = free_ports(2)
    supervisor = supervise(fake_spec("api", api), fake_spec("app", app))
    supervisor.start()
    supervisor.wait_ready(("api", "app"), 20, NEVER)
    view = supervisor.view()
    assert view.is_healthy
    assert [(row.name, row.state, row.url) for row in view.rows] == [
        ("api", "running", f"http://127.0.0.1:{api}"),
        ("app", "running", f"http://127.0.0.1:{app}"),
    ]
    assert all((row.memory_bytes or 0) > 2**20 and row.uptime_s is not None for row in view.rows)


def test_nothing_is_done_when_all_is_well(supervise: Supervise) -> None:
    supervisor = supervise(fake_spec("api", free_port()))
    supervisor.start()
    supervisor.wait_ready(("api",), 20, NEVER)
    before = supervisor.runtime.observe("api").instance_id
    for _ in range(5):
        supervisor.step("api")
    assert supervisor.runtime.observe("api").instance_id == before
    assert supervisor.view().rows[0].n_restarts == 0


def test_its_end_is_noticed_without_a_look_when_it_is_killed(
    supervise: Supervise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHECK_EVERY_S", 600.0)
    supervisor = supervise(fake_spec("api", free_port()))
    supervisor.start()
    supervisor.wait_ready(("api",), 20, NEVER)
    os.kill(int(supervisor.runtime.observe("api").instance_id.split("-")[0]), signal.SIGKILL)
    row = row_when(supervisor, lambda row: row.ended is not None)
    assert row.ended is not None
    assert row.ended.id == "SVC-03"


def test_it_is_started_again_and_its_last_words_are_kept_when_it_dies(supervise: Supervise) -> None:
    supervisor = supervise(fake_spec("api", free_port(), "--dies-after=1"))
    supervisor.start()
    supervisor.wait_ready(("api",), 20, NEVER)
    row = row_when(supervisor, lambda row: row.state == "backing-off")
    assert row.last_lines[-1] == "the last words"
    assert "exit code 7" in row.detail
    assert row.next_try_at is not None
    assert row.ended is not None
    assert (row.ended.id, row.ended.what) == ("SVC-03", "Prediction API ended. Ended with exit code 7.")
    assert row_when(supervisor, lambda row: row.state == "running").n_restarts == 1


def test_the_log_says_once_what_happened_when_it_happens_again_and_again(
    supervise: Supervise, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    supervisor = supervise(fake_spec("api", port))
    with caplog.at_level("INFO"), socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        for _ in range(3):
            with pytest.raises(ProblemError):
                supervisor.restart("api")
            supervisor.step("api")
        other.close()
        supervisor.start()
        supervisor.wait_ready(("api",), 20, NEVER)
    messages = [record.getMessage() for record in caplog.records if record.name.endswith("supervisor")]
    assert [line.split(" used by ")[0] for line in messages] == [
        f"action=service_blocked service=api problem=PORT-01: Port {port} is",
        "action=service_recovered service=api",
    ]


class Stubborn(ProcessRuntime):
    """A runtime in which one spec cannot be started, and another takes as long as it is told to."""

    def __init__(self, runtime: ProcessRuntime, folder: Path) -> None:
        super().__init__(runtime.placement, folder)
        self.goes_on = threading.Event()
        self.slow: str = ""
        self.refused: str = ""

    def ensure(self, spec: ServiceSpec) -> None:
        if spec.name == self.slow:
            self.goes_on.wait(20)
        if spec.digest == self.refused:
            raise ServiceStartError("The new one does not start; the old one keeps serving.")
        super().ensure(spec)


@pytest.fixture
def stubborn(supervise: Supervise, tmp_path: Path) -> Iterator[Stubborn]:
    runtime = supervise(fake_spec("api", 1), fake_spec("app", 2)).runtime
    assert isinstance(runtime, ProcessRuntime)
    stubborn = Stubborn(runtime, tmp_path / "stubborn")
    yield stubborn
    stubborn.goes_on.set()
    end(stubborn)


def supervisor_of(runtime: ProcessRuntime, *specs: ServiceSpec) -> ServiceSupervisor:
    desired = DesiredServices("process", {spec.name: spec.port for spec in specs}, lambda _: {s.name: s for s in specs})
    return ServiceSupervisor(runtime, desired, SystemClock())


def test_the_others_are_looked_after_when_one_takes_long_to_be_replaced(stubborn: Stubborn) -> None:
    ports = free_ports(2)
    stubborn.slow = "app"
    supervisor = supervisor_of(stubborn, fake_spec("api", ports[0]), fake_spec("app", ports[1]))
    supervisor.start()
    supervisor.wait_ready(("api",), 10, NEVER)
    os.kill(int(stubborn.observe("api").instance_id.split("-")[0]), signal.SIGKILL)
    row_when(supervisor, lambda row: row.state == "running" and row.n_restarts == 1, deadline_s=10)
    assert supervisor.view().rows[1].state == "starting"
    start_s = time.monotonic()
    stop = threading.Event()
    stop.set()
    with pytest.raises(ProblemError, match="SVC-02"):
        supervisor.wait_ready(("app",), 60, stop)
    assert time.monotonic() - start_s < 5
    stubborn.goes_on.set()
    supervisor.close()


def test_it_is_used_and_not_called_down_when_the_old_one_serves_and_the_new_one_does_not_start(
    stubborn: Stubborn,
) -> None:
    port = free_port()
    old, new = fake_spec("api", port), fake_spec("api", port, "--dies-after=0")
    stubborn.ensure(old)
    stubborn.refused = new.digest
    supervisor = supervisor_of(stubborn, new)
    supervisor.start()
    row = row_when(supervisor, lambda row: row.problem is not None and row.state == "unhealthy")
    assert row.detail == "The new one does not start; the old one keeps serving."
    supervisor.wait_ready(("api",), 5, NEVER)
    assert not supervisor.view().is_healthy
    supervisor.close()


def test_it_comes_back_when_it_was_killed(supervise: Supervise) -> None:
    supervisor = supervise(fake_spec("api", free_port()))
    supervisor.start()
    supervisor.wait_ready(("api",), 20, NEVER)
    first = supervisor.runtime.observe("api")
    os.kill(int(first.instance_id.split("-")[0]), signal.SIGKILL)
    row_when(supervisor, lambda row: row.state == "backing-off" and "signal 9" in row.detail)
    supervisor.wait_ready(("api",), 20, NEVER)
    assert supervisor.runtime.observe("api").instance_id != first.instance_id


def test_it_comes_back_when_the_signal_that_ended_it_has_no_name(supervise: Supervise) -> None:
    supervisor = supervise(fake_spec("api", free_port()))
    supervisor.start()
    supervisor.wait_ready(("api",), 20, NEVER)
    os.kill(int(supervisor.runtime.observe("api").instance_id.split("-")[0]), signal.SIGRTMIN + 6)
    row_when(supervisor, lambda row: row.n_restarts == 1 and row.state == "running")
    assert "signal 40" in (getattr(supervisor.view().rows[0].ended, "what", ""))


def test_it_is_blocked_with_the_reason_and_goes_on_when_its_port_is_taken(supervise: Supervise) -> None:
    port = free_port()
    supervisor = supervise(fake_spec("api", port))
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        supervisor.start()
        row = row_when(supervisor, lambda row: row.state == "blocked")
        assert row.problem is not None
        assert row.problem.id == "PORT-01"
        assert f"(process {os.getpid()})" in row.problem.what
        with pytest.raises(ProblemError, match="PORT-01"):
            supervisor.wait_ready(("api",), 20, NEVER)
        with pytest.raises(ProblemError, match="PORT-01"):
            supervisor.restart("api")
    supervisor.wait_ready(("api",), 20, NEVER)
    assert supervisor.view().rows[0].problem is None


def test_the_wait_ends_with_the_reason_when_it_never_gets_ready(supervise: Supervise) -> None:
    supervisor = supervise(fake_spec("api", free_port(), "--never-ready"))
    supervisor.start()
    row_when(supervisor, lambda row: "503" in row.detail)
    with pytest.raises(ProblemError, match="SVC-02") as caught:
        supervisor.wait_ready(("api",), 0.5, NEVER)
    assert "503" in caught.value.why


def test_the_wait_ends_at_once_when_it_must_stop(supervise: Supervise) -> None:
    supervisor = supervise(fake_spec("api", free_port(), "--slow-start=60"))
    supervisor.start()
    stop = threading.Event()
    stop.set()
    start_s = time.monotonic()
    with pytest.raises(ProblemError, match="SVC-02"):
        supervisor.wait_ready(("api",), 60, stop)
    assert time.monotonic() - start_s < 5


def test_it_is_a_new_instance_when_a_person_restarts_it(supervise: Supervise) -> None:
    supervisor = supervise(fake_spec("api", free_port()))
    supervisor.start()
    supervisor.wait_ready(("api",), 20, NEVER)
    before = supervisor.runtime.observe("api").instance_id
    supervisor.restart("api")
    supervisor.wait_ready(("api",), 20, NEVER)
    assert supervisor.runtime.observe("api").instance_id != before
    assert supervisor.view().rows[0].n_restarts == 1


def test_no_process_is_left_when_the_supervisor_is_closed(supervise: Supervise) -> None:
    supervisor = supervise(fake_spec("api", free_port(), "--slow-to-stop"))
    supervisor.start()
    supervisor.wait_ready(("api",), 20, NEVER)
    pid = int(supervisor.runtime.observe("api").instance_id.split("-")[0])
    supervisor.ends_services = True
    supervisor.close()
    assert not psutil.pid_exists(pid)


def test_services_go_on_when_the_supervisor_is_closed_and_the_next_one_takes_them_over(supervise: Supervise) -> None:
    spec = fake_spec("api", free_port())
    first = supervise(spec)
    first.start()
    first.wait_ready(("api",), 20, NEVER)
    seen = first.runtime.observe("api")
    first.close()
    second = supervise(spec)
    second.start()
    second.wait_ready(("api",), 20, NEVER)
    assert second.runtime.observe("api").instance_id == seen.instance_id
    row = second.view().rows[0]
    assert (row.started_at, row.n_restarts, row.ended) == (seen.started_at, 0, None)
    os.kill(int(seen.instance_id.split("-")[0]), signal.SIGKILL)
    row = row_when(second, lambda row: row.n_restarts == 1 and row.state == "running")
    assert "an earlier panel had started it" in getattr(row.ended, "what", "")


def test_nothing_is_started_again_when_the_panel_is_about_to_end(supervise: Supervise) -> None:
    """systemd ends panel and services at the same time."""
    supervisor = supervise(fake_spec("api", free_port()))
    supervisor.start()
    supervisor.wait_ready(("api",), 20, NEVER)
    supervisor.hold()
    os.kill(int(supervisor.runtime.observe("api").instance_id.split("-")[0]), signal.SIGTERM)
    until(lambda: supervisor.runtime.observe("api").state == "exited", what="the service ends")
    for thread in supervisor._threads:
        thread.join(20)
    supervisor.close()
    assert supervisor.runtime.observe("api").state == "absent"


def test_the_page_says_why_when_the_runtime_does_not_answer(supervise: Supervise) -> None:
    healthy = supervise(fake_spec("api", free_port()))

    def build(_: Placement) -> dict[object, object]:
        raise ServiceStartError("There is no engine.")

    desired = DesiredServices("process", {"api": 1234}, build)  # type: ignore[arg-type]  # never returns
    supervisor = ServiceSupervisor(healthy.runtime, desired, SystemClock())
    supervisor.step("api")
    row = supervisor.view().rows[0]
    assert (row.state, row.detail, row.port) == ("blocked", "There is no engine.", 1234)
    with pytest.raises(ProblemError, match="There is no engine"):
        supervisor.url("api")


@pytest.mark.parametrize(
    ("status", "body", "is_well"),
    [
        (200, b"", True),
        (503, b"Service Unavailable", True),
        (503, b'{"ready": false}', False),
        (500, b"Service Unavailable", False),
    ],
)
def test_service_is_not_blamed_when_it_has_all_the_connections_it_takes(
    status: int, body: bytes, is_well: bool
) -> None:
    with http_server(lambda _: Answer(status=status, body=body)) as url:
        assert (http_probe(url) == "") is is_well
