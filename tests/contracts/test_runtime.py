"""The contract of every runtime. Each passes the same suite: processes always, containers where there is an engine."""

import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from app.panel.services.process.runtime import ProcessRuntime
from app.panel.services.protocol import Placement, Runtime, ServiceSpec
from bench.ports import free_port
from bench.wait import until
from pipeline.core.problems import ProblemError
from tests.contracts.observed import observed

pytestmark = pytest.mark.process
FAKE = Path(__file__).parent.parent / "fakes" / "service.py"


class Bench(Protocol):
    """A runtime under test and how a spec for it is made."""

    @property
    def runtime(self) -> Runtime:
        """Return the runtime."""

    def next_runtime(self) -> Runtime:
        """Return the runtime of the panel that comes after this one."""

    def spec(self, *args: str, **env: str) -> ServiceSpec:
        """Return the fake service with these arguments and environment."""


@dataclass
class ProcessBench:
    runtime: ProcessRuntime
    port: int
    folder: Path

    def next_runtime(self) -> Runtime:
        return ProcessRuntime(self.runtime.placement, self.folder)

    def spec(self, *args: str, **env: str) -> ServiceSpec:
        return ServiceSpec(
            name="api",
            argv=(sys.executable, str(FAKE), "127.0.0.1", str(self.port), *args),
            env=env,
            port=self.port,
            port_setting="API_PORT",
            listen_port=self.port,
            host="127.0.0.1",
            ready_path="/",
            memory_bytes=2**28,
            cpus=1.0,
            pids=64,
            start_s=10.0,
        )


@pytest.fixture
def process_bench(tmp_path: Path) -> Iterator[ProcessBench]:
    port = free_port()
    placement = Placement(
        kind="process",
        python={"api": sys.executable},
        listen={"api": "127.0.0.1"},
        hosts={"api": "127.0.0.1"},
        ports={"api": port},
        paths={},
        panel_url="",
    )
    runtime = ProcessRuntime(placement, tmp_path / "services")
    yield ProcessBench(runtime, port, tmp_path / "services")
    runtime.stop("api")


@pytest.fixture(params=["process_bench", pytest.param("docker_bench", marks=pytest.mark.docker)])
def bench(request: pytest.FixtureRequest) -> Bench:
    bench: Bench = request.getfixturevalue(request.param)
    return bench


def test_a_service_is_absent_when_it_was_never_started(bench: Bench) -> None:
    assert bench.runtime.observe("api").state == "absent"
    bench.runtime.stop("api")
    assert bench.runtime.logs("api").lines == ()


def test_it_answers_on_its_port_when_it_is_ensured(bench: Bench) -> None:
    spec = bench.spec()
    bench.runtime.ensure(spec)
    seen = observed(bench.runtime, "running")
    assert (seen.digest, seen.exit_code) == (spec.digest, None)
    assert seen.started_at is not None
    assert (seen.memory_bytes or 0) > 2**20
    with urllib.request.urlopen(bench.runtime.public_url(spec), timeout=5) as answer:
        assert answer.read() == b"ok"


def test_nothing_is_touched_when_it_is_ensured_again(bench: Bench) -> None:
    bench.runtime.ensure(bench.spec())
    first = observed(bench.runtime, "running")
    bench.runtime.ensure(bench.spec())
    assert bench.runtime.observe("api").instance_id == first.instance_id


def test_it_is_replaced_when_the_spec_changed(bench: Bench) -> None:
    bench.runtime.ensure(bench.spec())
    first = observed(bench.runtime, "running")
    changed = bench.spec(ROLE="changed")
    bench.runtime.ensure(changed)
    second = observed(bench.runtime, "running")
    assert second.instance_id != first.instance_id
    assert second.digest == changed.digest


def test_the_instance_is_a_new_one_when_it_is_restarted(bench: Bench) -> None:
    bench.runtime.ensure(bench.spec())
    first = observed(bench.runtime, "running")
    bench.runtime.restart(bench.spec())
    assert observed(bench.runtime, "running").instance_id != first.instance_id


def test_it_is_gone_when_it_was_stopped(bench: Bench) -> None:
    bench.runtime.ensure(bench.spec())
    observed(bench.runtime, "running")
    bench.runtime.stop("api")
    assert bench.runtime.observe("api").state == "absent"
    bench.runtime.ensure(bench.spec())
    observed(bench.runtime, "running")


def test_it_is_killed_when_it_does_not_stop_in_time(bench: Bench) -> None:
    bench.runtime.ensure(bench.spec("--slow-to-stop"))
    observed(bench.runtime, "running")
    start_s = time.monotonic()
    bench.runtime.stop("api", grace_s=1.0)
    assert time.monotonic() - start_s < 10
    assert bench.runtime.observe("api").state == "absent"


def test_the_exit_code_and_the_last_words_are_kept_when_it_dies(bench: Bench) -> None:
    bench.runtime.ensure(bench.spec("--dies-after=0.3"))
    seen = observed(bench.runtime, "exited")
    assert seen.exit_code == 7
    assert "7" in seen.reason
    assert "the last words" in bench.runtime.logs("api").lines
    bench.runtime.ensure(bench.spec("--dies-after=0.3"))
    assert observed(bench.runtime, "starting", "running", "exited").instance_id != seen.instance_id


def test_it_is_starting_when_it_does_not_listen_yet(bench: Bench) -> None:
    bench.runtime.ensure(bench.spec("--slow-start=1"))
    assert bench.runtime.observe("api").state == "starting"
    observed(bench.runtime, "running")


def test_the_log_goes_on_without_gap_or_repeat_when_it_is_read_by_cursor(bench: Bench) -> None:
    bench.runtime.ensure(bench.spec(ROLE="one"))
    observed(bench.runtime, "running")
    first = bench.runtime.logs("api")
    assert first.lines[0] == "service of one begins"
    assert bench.runtime.logs("api", first.after).lines == ()
    bench.runtime.restart(bench.spec(ROLE="one"))
    observed(bench.runtime, "running")
    assert "service of one begins" in bench.runtime.logs("api", first.after).lines


def test_the_port_is_named_and_nothing_is_left_when_it_is_taken(bench: Bench) -> None:
    spec = bench.spec()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", spec.port))
        other.listen()
        with pytest.raises(ProblemError, match=f"Port {spec.port} is used by") as caught:
            bench.runtime.ensure(spec)
        assert caught.value.id == "PORT-01"
        assert spec.port_setting in caught.value.fix
        assert bench.runtime.observe("api").state in {"absent", "exited"}
    bench.runtime.ensure(spec)
    observed(bench.runtime, "running")


@pytest.mark.parametrize("is_closed", [True, False])
def test_the_next_panel_finds_it_as_it_is_when_the_panel_ends(bench: Bench, is_closed: bool) -> None:
    spec = bench.spec()
    bench.runtime.ensure(spec)
    first = observed(bench.runtime, "running")
    log = bench.runtime.logs("api")
    if is_closed:
        bench.runtime.close()
    # Else it was killed.
    following = bench.next_runtime()
    seen = observed(following, "running")
    assert (seen.instance_id, seen.digest, seen.started_at) == (first.instance_id, spec.digest, first.started_at)
    following.ensure(spec)
    assert following.observe("api").instance_id == first.instance_id
    with urllib.request.urlopen(following.public_url(spec), timeout=5) as answer:
        assert answer.read() == b"ok"
    more = until(lambda: following.logs("api", log.after).lines, what="the log goes on")
    assert ["GET" in line for line in more] == [True]
    assert following.logs("api").lines == (*log.lines, *more)
    following.close()


def test_the_next_panel_replaces_it_when_its_spec_is_another(bench: Bench) -> None:
    bench.runtime.ensure(bench.spec())
    first = observed(bench.runtime, "running")
    following = bench.next_runtime()
    following.ensure(bench.spec(ROLE="changed"))
    second = observed(following, "running")
    assert (second.instance_id != first.instance_id, second.digest) == (True, bench.spec(ROLE="changed").digest)
    following.close()


def test_the_next_panel_ends_it_when_it_did_nothing_else_yet(bench: Bench) -> None:
    bench.runtime.ensure(bench.spec("--slow-to-stop"))
    observed(bench.runtime, "running")
    following = bench.next_runtime()
    following.stop("api", grace_s=0.2)
    assert following.observe("api").state == "absent"
    following.ensure(bench.spec())
    observed(following, "running")
    following.stop("api")
    following.close()


def test_the_next_panel_sees_its_end_when_it_ends_later(bench: Bench) -> None:
    bench.runtime.ensure(bench.spec("--dies-after=2"))
    first = observed(bench.runtime, "running")
    following = bench.next_runtime()
    assert following.observe("api").instance_id == first.instance_id
    seen = observed(following, "exited")
    assert seen.exit_code in {7, None}  # of a process that is not a child nobody knows it
    assert seen.reason
    assert "the last words" in following.logs("api").lines
    following.ensure(bench.spec())
    assert observed(following, "running").instance_id != first.instance_id
    following.stop("api")
    following.close()
