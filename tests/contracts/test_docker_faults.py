"""Whatever happens to a container behind the panel's back, the next observation sees it and the next `ensure` repairs it."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from app.panel.services.docker import container_config
from app.panel.services.docker import engine as docker_engine
from app.panel.services.docker.engine import Engine
from app.panel.services.docker.engine_errors import ErrorContext
from app.panel.services.docker.engine_problems import EngineRefusedError
from app.panel.services.docker.runtime import DockerRuntime
from app.panel.services.protocol import Observed, ServiceSpec
from app.panel.settings import Settings
from bench.compose_stack import docker
from bench.ports import free_port
from bench.wait import until
from pipeline.core.problems import ProblemError
from tests.contracts.containers import Bench, answers, inspect, names, started
from tests.contracts.observed import observed

pytestmark = pytest.mark.docker


FAULTS: dict[str, Callable[[Bench], object]] = {
    "killed": lambda bench: docker("kill", bench.name),
    "stopped": lambda bench: docker("stop", "-t", "1", bench.name),
    "removed": lambda bench: docker("rm", "-f", bench.name),
    "paused": lambda bench: docker("pause", bench.name),
    "renamed": lambda bench: docker("rename", bench.name, f"{bench.host.project}-elsewhere"),
    "given more memory": lambda bench: docker("update", "-m", "128m", "--memory-swap", "128m", bench.name),
    "taken off the network": lambda bench: docker("network", "disconnect", bench.host.network, bench.name),
    "told not to restart": lambda bench: docker("update", "--restart", "no", bench.name),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_it_is_as_it_should_be_after_one_step_when_it_was(docker_bench: Bench, fault: str) -> None:
    spec, first = started(docker_bench)
    FAULTS[fault](docker_bench)
    seen = docker_bench.runtime.observe("api")
    assert seen.state in {"absent", "exited"} or seen.digest != spec.digest
    docker_bench.runtime.ensure(spec)
    after = observed(docker_bench.runtime, "running")
    assert after.digest == spec.digest
    assert names(docker_bench) == {docker_bench.name}
    assert answers(docker_bench, spec)
    docker_bench.runtime.ensure(spec)
    assert docker_bench.runtime.observe("api").instance_id == after.instance_id
    if fault in {"paused", "renamed"}:
        assert after.instance_id == first.instance_id, "what can be repaired in place is not replaced"


def test_it_is_restarted_as_the_same_container_when_it_is_unhealthy(
    docker_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container_config, "HEALTH_EVERY_S", 1)
    spec = replace(docker_bench.spec("--never-ready"), start_s=0.1)
    docker_bench.runtime.ensure(spec)
    seen = observed(docker_bench.runtime, "unhealthy", within_s=60)
    assert seen.digest == spec.digest
    docker_bench.runtime.restart(spec)
    assert docker_bench.runtime.observe("api").instance_id != seen.instance_id


def test_the_reason_is_named_when_it_ran_out_of_memory(docker_bench: Bench) -> None:
    hog = ("-c", "x = bytearray(10**9); x[::4096] = b'x' * len(x[::4096])")
    spec = replace(docker_bench.spec(), argv=("/usr/local/bin/python", *hog), memory_bytes=2**25)
    docker_bench.runtime.ensure(spec)
    seen = observed(docker_bench.runtime, "exited")
    assert (seen.exit_code, seen.oom_killed) == (137, True)
    assert "out of memory (limit 32 MiB)" in seen.reason


def restarted_by_engine(bench: Bench, spec: ServiceSpec, *end: str) -> Observed:
    """Return the service after something ended it in its container, and the engine started it again before anybody looked."""
    bench.runtime.ensure(spec)
    first = observed(bench.runtime, "running")
    subprocess.run(["docker", "exec", bench.name, *end], capture_output=True, timeout=60, check=False)

    def is_restarted() -> bool:
        state = inspect(bench.name)["State"]
        return state["Running"] and state["StartedAt"] not in first.instance_id

    until(is_restarted, within_s=20, what="the engine starts it again")
    return observed(bench.runtime, "running")


def test_the_exit_code_is_named_when_the_engine_restarted_it_before_anybody_looked(docker_bench: Bench) -> None:
    kill = (
        "import os,signal; [os.kill(int(p), signal.SIGKILL) for p in os.listdir('/proc') if p.isdigit() and p != '1']"
    )
    seen = restarted_by_engine(docker_bench, docker_bench.spec(), "python", "-c", kill)
    assert seen.ended is not None
    assert (seen.ended.id, "Exit code 137" in seen.ended.what) == ("SVC-03", True)


def test_it_is_observed_all_the_same_when_the_engine_does_not_say_how_it_ended(docker_bench: Bench) -> None:
    class Silent(Engine):
        def exit_events(self, id: str, since: str, until: str) -> list[dict[str, Any]]:
            raise EngineRefusedError(403, f"Forbidden: {id} {since} {until}")

    spec, first = started(docker_bench)
    docker("restart", "-t", "0", docker_bench.name)
    runtime = DockerRuntime(Settings(), Silent(), host=docker_bench.host)
    seen = observed(runtime, "running")
    assert (seen.digest, seen.ended, seen.instance_id != first.instance_id) == (spec.digest, None, True)


def test_memory_is_named_when_the_engine_restarted_it_before_anybody_looked(docker_bench: Bench) -> None:
    first_to_go = (
        "import runpy, sys; open('/proc/self/oom_score_adj', 'w').write('1000'); sys.argv = sys.argv[1:];"
        "runpy.run_path('/srv/service.py', run_name='__main__')"
    )
    plain = docker_bench.spec()
    spec = replace(plain, argv=(plain.argv[0], "-c", first_to_go, *plain.argv[1:]))
    hog = "x = [bytes(2**20).replace(b'0', b'1') + bytes(1) for _ in range(500)]; y = [bytearray(b) for b in x]"
    seen = restarted_by_engine(docker_bench, spec, "python", "-c", hog)
    assert seen.ended is not None
    assert (seen.ended.id, "limit 64 MiB" in seen.ended.what) == ("DOCK-11", True)


def test_a_container_that_was_created_only_is_removed_and_never_started(docker_bench: Bench) -> None:
    spec = docker_bench.spec()
    started(docker_bench)
    docker_bench.runtime.stop("api")
    left = docker_bench.engine.create(
        docker_bench.name, container_config.create_request(spec, docker_bench.host), ErrorContext()
    )
    assert docker_bench.runtime.observe("api").state == "exited"
    docker_bench.runtime.ensure(spec)
    assert inspect(docker_bench.name)["Id"] != left
    observed(docker_bench.runtime, "running")


def test_a_foreign_container_is_reported_and_left_alone_when_it_has_the_name(
    docker_bench: Bench, fake_image: str
) -> None:
    foreign_id = docker("create", "--name", docker_bench.name, "--label", "someone=else", fake_image, "true")
    try:
        assert docker_bench.runtime.observe("api").state == "foreign"
        with pytest.raises(ProblemError, match="did not start") as caught:
            docker_bench.runtime.ensure(docker_bench.spec())
        assert caught.value.id == "NAME-01"
        docker_bench.runtime.stop("api")
        assert inspect(docker_bench.name)["Id"] == foreign_id
        checks = docker_bench.runtime.checks({"api": docker_bench.spec()})
        assert [check.id for check in checks if check.state == "error"] == ["NAME-01"]
    finally:
        docker("rm", "-f", foreign_id)


def test_a_foreign_network_is_reported_when_it_has_the_name(docker_bench: Bench) -> None:
    docker("network", "create", docker_bench.host.network)
    with pytest.raises(ProblemError) as caught:
        docker_bench.runtime.ensure(docker_bench.spec())
    assert caught.value.id == "NAME-02"


def test_the_network_is_made_again_when_it_is_missing(docker_bench: Bench) -> None:
    spec, _ = started(docker_bench)
    docker("rm", "-f", docker_bench.name)
    docker("network", "rm", docker_bench.host.network)
    docker_bench.runtime.ensure(spec)
    observed(docker_bench.runtime, "running")
    assert answers(docker_bench, spec)


def test_the_holder_is_named_when_a_container_has_the_port(docker_bench: Bench, fake_image: str) -> None:
    spec = docker_bench.spec()
    other = f"{docker_bench.host.project}-other"
    published = f"127.0.0.1:{spec.port}:80"
    docker("run", "-d", "--name", other, "-p", published, fake_image, "python", "-c", "import time; time.sleep(99)")
    try:
        with pytest.raises(ProblemError, match=f"used by container {other}") as caught:
            docker_bench.runtime.ensure(spec)
        assert caught.value.id == "PORT-01"
        assert names(docker_bench) == set()
        checks = docker_bench.runtime.checks({"api": spec})
        assert [check.id for check in checks if check.state == "error"] == ["PORT-01"]
    finally:
        docker("rm", "-f", other)


def test_the_panel_is_back_on_the_network_when_it_was_taken_off(docker_bench: Bench, fake_image: str) -> None:
    panel = docker("run", "-d", "--rm", fake_image, "python", "-c", "import time; time.sleep(99)")
    try:
        host = replace(docker_bench.host, container_id=panel)
        runtime = DockerRuntime(Settings(), docker_bench.engine, host=host)
        runtime.observe("api")
        docker("network", "disconnect", host.network, panel)

        def is_connected() -> bool:
            runtime.observe("api")
            return panel in (docker_bench.engine.network(host.network) or {})["Containers"]

        until(is_connected, what="it is connected again, though nobody ensures anything")
    finally:
        docker("rm", "-f", panel)


def test_our_own_container_is_not_called_a_strangers_when_the_engine_takes_long_to_remove_it(
    docker_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(Engine):
        def _write_if_present(self, call: Callable[[Any], object]) -> None:
            """Says yes, and has not done it yet: a slow disk."""

    spec, _ = started(docker_bench)
    docker("kill", docker_bench.name)
    monkeypatch.setattr(docker_engine, "READ_TIMEOUT_S", 0.2)
    with pytest.raises(ProblemError) as caught:
        DockerRuntime(Settings(), Slow(), host=docker_bench.host).ensure(spec)
    assert (caught.value.id, caught.value.retryable) == ("DOCK-14", True)
    docker_bench.runtime.ensure(spec)
    observed(docker_bench.runtime, "running")


def test_each_has_its_own_name_again_when_two_of_ours_were_exchanged(docker_bench: Bench) -> None:
    api, _ = started(docker_bench)
    app = replace(api, name="app", port=free_port())
    docker_bench.runtime.ensure(app)
    elsewhere, other = f"{docker_bench.name}-elsewhere", docker_bench.host.service_container("app")
    before = {name: inspect(name)["Id"] for name in (docker_bench.name, other)}
    docker("rename", docker_bench.name, elsewhere)
    docker("rename", other, docker_bench.name)
    docker("rename", elsewhere, other)
    for spec in (api, app):
        docker_bench.runtime.ensure(spec)
    assert {name: inspect(name)["Id"] for name in before} == before
    assert names(docker_bench) == set(before)


def test_it_says_so_when_the_image_is_missing(docker_bench: Bench) -> None:
    host = replace(docker_bench.host, image="sha256:" + "0" * 64)
    runtime = DockerRuntime(Settings(), docker_bench.engine, host=host)
    with pytest.raises(ProblemError) as caught:
        runtime.ensure(docker_bench.spec())
    assert caught.value.id == "IMG-01"
    assert names(docker_bench) == set()


def test_it_says_so_when_the_image_lacks_the_program(docker_bench: Bench) -> None:
    docker_bench.runtime.ensure(replace(docker_bench.spec(), argv=("/no/such/program",)))
    assert "lacks its program" in observed(docker_bench.runtime, "exited").reason
