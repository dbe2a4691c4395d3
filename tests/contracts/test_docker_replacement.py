"""One container in the place of another: the old one serves until the new one is known to start, and nothing is left."""

import socket
import threading
import time
from dataclasses import replace

import pytest

from app.panel.services.docker import container_config
from app.panel.services.docker.engine_errors import ErrorContext
from app.panel.services.docker.runtime import DockerRuntime
from app.panel.settings import Settings
from bench.compose_stack import docker
from pipeline.core.problems import ProblemError
from tests.contracts.containers import Bench, answers, inspect, names, started
from tests.contracts.observed import observed

pytestmark = pytest.mark.docker


def test_the_old_one_serves_on_when_the_new_one_does_not_start(docker_bench: Bench) -> None:
    spec, first = started(docker_bench)
    broken = docker_bench.spec("--dies-after=0")
    with pytest.raises(ProblemError, match="the old one keeps serving") as caught:
        docker_bench.runtime.ensure(broken)
    assert caught.value.id == "SVC-01"
    assert "the last words" in caught.value.why
    assert docker_bench.runtime.observe("api").instance_id == first.instance_id
    assert names(docker_bench) == {docker_bench.name}
    assert answers(docker_bench, spec)


def test_the_old_one_serves_on_when_the_new_port_is_taken(docker_bench: Bench) -> None:
    spec, first = started(docker_bench)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        moved = replace(spec, port=other.getsockname()[1])
        with pytest.raises(ProblemError) as caught:
            docker_bench.runtime.ensure(moved)
    assert caught.value.id == "PORT-01"
    assert docker_bench.runtime.observe("api").instance_id == first.instance_id
    assert answers(docker_bench, spec)


def test_a_port_is_not_called_taken_when_the_canary_of_the_new_one_has_it(docker_bench: Bench) -> None:
    """The checks are printed when the panel starts, which is when a changed port is tried out."""
    spec = docker_bench.spec()
    body = container_config.create_request(spec, docker_bench.host, role="canary")
    canary = docker_bench.engine.create(
        container_config.container_name(docker_bench.host, "api", "canary"), body, ErrorContext()
    )
    docker_bench.engine.create_network(docker_bench.host.network, {}, {})
    docker_bench.engine.start(canary, ErrorContext())
    assert [check.id for check in docker_bench.runtime.checks({"api": spec}) if check.state != "ok"] == []


def test_the_gap_is_below_two_seconds_when_a_setting_changed(docker_bench: Bench) -> None:
    spec, _ = started(docker_bench)
    silent: list[float] = []
    done = threading.Event()

    def probe() -> None:
        while not done.is_set():
            if not answers(docker_bench, spec):
                silent.append(time.monotonic())
            done.wait(0.02)

    prober = threading.Thread(target=probe)
    prober.start()
    docker_bench.runtime.ensure(docker_bench.spec(ROLE="changed"))
    observed(docker_bench.runtime, "running")
    done.set()
    prober.join()
    assert names(docker_bench) == {docker_bench.name}
    assert not silent or silent[-1] - silent[0] < 2.0


def test_a_swap_is_finished_when_the_panel_died_in_the_middle_of_it(docker_bench: Bench) -> None:
    spec, _ = started(docker_bench)
    docker("rename", docker_bench.name, f"{docker_bench.name}-previous")
    changed = docker_bench.spec(ROLE="changed")
    body = container_config.create_request(changed, docker_bench.host)
    docker_bench.engine.create(docker_bench.name, body, ErrorContext())
    assert answers(docker_bench, spec)
    docker_bench.runtime.ensure(changed)
    assert observed(docker_bench.runtime, "running").digest == changed.digest
    assert names(docker_bench) == {docker_bench.name}


@pytest.mark.parametrize("role", ["canary", "next", "previous"])
def test_what_an_unfinished_replacement_left_is_seen_and_removed_when_the_rest_is_well(
    docker_bench: Bench, role: container_config.Role
) -> None:
    spec, first = started(docker_bench)
    request = container_config.create_request(spec, docker_bench.host, role=role, publish=False)
    docker_bench.engine.create(container_config.container_name(docker_bench.host, "api", role), request, ErrorContext())
    docker_bench.runtime.close()
    runtime = DockerRuntime(Settings(), docker_bench.engine, host=docker_bench.host)
    assert runtime.observe("api").digest != spec.digest
    runtime.ensure(spec)
    assert names(docker_bench) == {docker_bench.name}
    seen = runtime.observe("api")
    assert (seen.digest, seen.instance_id) == (spec.digest, first.instance_id)


def test_the_name_that_is_taken_is_named_when_it_is_one_of_a_replacement(docker_bench: Bench, fake_image: str) -> None:
    spec, first = started(docker_bench)
    foreign_id = docker("create", "--name", f"{docker_bench.name}-next", fake_image, "true")
    try:
        with pytest.raises(ProblemError, match=f"named {docker_bench.name}-next exists") as caught:
            docker_bench.runtime.ensure(docker_bench.spec(ROLE="changed"))
        assert caught.value.id == "NAME-01"
        assert docker_bench.runtime.observe("api").instance_id == first.instance_id
        assert answers(docker_bench, spec)
    finally:
        docker("rm", "-f", foreign_id)


def test_the_old_one_serves_on_when_a_restart_would_bring_one_that_does_not_start(docker_bench: Bench) -> None:
    spec, first = started(docker_bench)
    with pytest.raises(ProblemError, match="the old one keeps serving"):
        docker_bench.runtime.restart(docker_bench.spec("--dies-after=0"))
    assert docker_bench.runtime.observe("api").instance_id == first.instance_id
    assert answers(docker_bench, spec)


def test_it_is_a_new_instance_of_the_same_container_when_it_is_restarted_while_paused(docker_bench: Bench) -> None:
    spec, first = started(docker_bench)
    container = inspect(docker_bench.name)["Id"]
    docker("pause", docker_bench.name)
    docker_bench.runtime.restart(spec)
    assert observed(docker_bench.runtime, "running").instance_id != first.instance_id
    assert inspect(docker_bench.name)["Id"] == container
