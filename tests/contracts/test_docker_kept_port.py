"""A service whose port is kept: one container takes the place of another, and nobody who asks notices."""

import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPException

import pytest

from app.panel.services.docker import container_config
from app.panel.services.docker.engine_errors import ErrorContext
from app.panel.services.docker.runtime import DockerRuntime
from app.panel.services.protocol import Observed, ServiceSpec
from app.panel.settings import Settings
from bench.compose_stack import docker
from bench.ports import free_port
from bench.wait import until
from pipeline.core.problems import ProblemError
from tests.contracts.containers import Bench, answers, inspect, names
from tests.contracts.observed import observed

pytestmark = pytest.mark.docker


@dataclass
class Asked:
    """Of all requests so far."""

    n_good: int = 0
    failures: list[str] = field(default_factory=list)


@contextmanager
def asked_all_the_time(url: str) -> Iterator[Asked]:
    """Ask one request after the other, each over a connection of its own."""
    asked, done = Asked(), threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                with urllib.request.urlopen(url, timeout=20):
                    asked.n_good += 1
            except (OSError, HTTPException) as error:
                asked.failures.append(repr(error))
            done.wait(0.01)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield asked
    finally:
        done.set()
        asking.join()


def started(bench: Bench) -> tuple[ServiceSpec, Observed]:
    spec = bench.kept_spec()
    bench.runtime.ensure(spec)
    until(lambda: answers(bench, spec), within_s=20, what="it answers at the kept port")
    return spec, observed(bench.runtime, "running")


def test_service_and_keeper_are_two_containers_when_it_is_ensured(docker_bench: Bench) -> None:
    spec, first = started(docker_bench)
    keeper = f"{docker_bench.name}-port"
    assert names(docker_bench) == {docker_bench.name, keeper}
    assert first.digest == spec.digest
    assert docker("port", docker_bench.name) == ""
    assert f":{spec.port}" in docker("port", keeper)
    docker_bench.runtime.ensure(spec)
    assert docker_bench.runtime.observe("api").instance_id == first.instance_id
    assert [check.id for check in docker_bench.runtime.checks({"api": spec}) if check.state != "ok"] == []
    docker_bench.runtime.stop("api")
    assert names(docker_bench) == set()


def test_no_request_fails_when_it_is_replaced(docker_bench: Bench) -> None:
    spec, _ = started(docker_bench)
    keeper = inspect(f"{docker_bench.name}-port")["Id"]
    with asked_all_the_time(docker_bench.runtime.public_url(spec)) as asked:
        for n in range(5):
            before = asked.n_good
            changed = docker_bench.kept_spec(ROLE=str(n))
            docker_bench.runtime.ensure(changed)
            assert observed(docker_bench.runtime, "running").digest == changed.digest
            until(lambda n=before: asked.n_good > n, what="answers")  # type: ignore[misc]
    assert asked.failures == []
    assert names(docker_bench) == {docker_bench.name, f"{docker_bench.name}-port"}
    assert inspect(f"{docker_bench.name}-port")["Id"] == keeper


def test_no_request_fails_when_it_is_restarted(docker_bench: Bench) -> None:
    """Nobody serves meanwhile, and those who ask wait."""
    spec, first = started(docker_bench)
    with asked_all_the_time(docker_bench.runtime.public_url(spec)) as asked:
        docker("restart", docker_bench.name)
        before = asked.n_good
        until(lambda: asked.n_good > before, what="answers")
    assert asked.failures == []
    assert observed(docker_bench.runtime, "running").instance_id != first.instance_id


def test_the_old_one_serves_on_when_the_new_one_does_not_start(docker_bench: Bench) -> None:
    spec, first = started(docker_bench)
    with (
        asked_all_the_time(docker_bench.runtime.public_url(spec)) as asked,
        pytest.raises(ProblemError, match="the old one keeps serving"),
    ):
        docker_bench.runtime.ensure(docker_bench.kept_spec("--dies-after=0"))
    assert asked.failures == []
    assert docker_bench.runtime.observe("api").instance_id == first.instance_id


@pytest.mark.parametrize("harm", [("kill",), ("rm", "-f"), ("pause",), ("network", "disconnect")])
def test_the_keeper_is_mended_when_somebody_harmed_it(docker_bench: Bench, harm: tuple[str, ...]) -> None:
    spec, first = started(docker_bench)
    network = [docker_bench.host.network] if harm[0] == "network" else []
    docker(*harm, *network, f"{docker_bench.name}-port")
    until(lambda: docker_bench.runtime.observe("api").digest != spec.digest, what="it is noticed")
    docker_bench.runtime.ensure(spec)
    until(lambda: answers(docker_bench, spec), within_s=20, what="it answers again")
    seen = observed(docker_bench.runtime, "running")
    assert (seen.digest, seen.instance_id) == (spec.digest, first.instance_id), "the service itself was not touched"


def test_the_port_moves_when_another_one_is_set(docker_bench: Bench) -> None:
    spec, _ = started(docker_bench)
    moved = replace(spec, port=free_port())
    docker_bench.runtime.ensure(moved)
    until(lambda: answers(docker_bench, moved), within_s=20, what="it answers at the new port")
    assert not answers(docker_bench, spec)
    assert names(docker_bench) == {docker_bench.name, f"{docker_bench.name}-port"}


def test_the_old_one_serves_on_when_the_new_port_is_taken(docker_bench: Bench) -> None:
    spec, first = started(docker_bench)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ProblemError) as caught:
            docker_bench.runtime.ensure(replace(spec, port=other.getsockname()[1]))
    assert caught.value.id == "PORT-01"
    assert docker_bench.runtime.observe("api").instance_id == first.instance_id
    assert answers(docker_bench, spec)


def test_the_keeper_gets_the_port_when_the_container_of_an_earlier_version_has_it(docker_bench: Bench) -> None:
    earlier = docker_bench.spec()
    docker_bench.runtime.ensure(earlier)
    observed(docker_bench.runtime, "running")
    spec = docker_bench.kept_spec()
    docker_bench.runtime.ensure(spec)
    until(lambda: answers(docker_bench, spec), within_s=20, what="it answers at the kept port")
    assert names(docker_bench) == {docker_bench.name, f"{docker_bench.name}-port"}


@pytest.mark.parametrize("renamed", [False, True])
def test_a_replacement_is_finished_without_a_failure_when_the_panel_died_in_it(
    docker_bench: Bench, *, renamed: bool
) -> None:
    spec, _ = started(docker_bench)
    changed = docker_bench.kept_spec(ROLE="changed")
    with asked_all_the_time(docker_bench.runtime.public_url(spec)) as asked:
        request = container_config.create_request(changed, docker_bench.host, role="next")
        new = docker_bench.engine.create(f"{docker_bench.name}-next", request, ErrorContext())
        docker_bench.engine.start(new, ErrorContext())
        if renamed:
            docker("rename", docker_bench.name, f"{docker_bench.name}-previous")
            docker("rename", f"{docker_bench.name}-next", docker_bench.name)
        runtime = DockerRuntime(Settings(), docker_bench.engine, host=docker_bench.host)
        runtime.ensure(changed)
        assert observed(runtime, "running").digest == changed.digest
        before = asked.n_good
        until(lambda: asked.n_good > before, what="answers")
    assert asked.failures == []
    assert names(docker_bench) == {docker_bench.name, f"{docker_bench.name}-port"}


def test_a_strangers_container_is_left_alone_when_it_has_the_name_of_the_keeper(
    docker_bench: Bench, fake_image: str
) -> None:
    foreign = docker("create", "--name", f"{docker_bench.name}-port", fake_image, "true")
    try:
        with pytest.raises(ProblemError, match=f"named {docker_bench.name}-port exists") as caught:
            docker_bench.runtime.ensure(docker_bench.kept_spec())
        assert caught.value.id == "NAME-01"
    finally:
        docker("rm", "-f", foreign)
