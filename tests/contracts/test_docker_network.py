"""The services' network: they reach each other and nothing beyond, and their ports answer on this machine."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from app.panel.services.docker.runtime import DockerRuntime
from app.panel.settings import Settings
from bench.compose_stack import docker
from bench.ports import free_port
from tests.contracts.containers import Bench, answers, inspect, started
from tests.contracts.outside import a_machine_outside

pytestmark = pytest.mark.docker
TRY = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=2).close()
except OSError as error:
    print(error)
else:
    print("connected")
"""


def try_to_connect(container: str, host: str, port: int) -> str:
    """Return `connected`, or why the container cannot open a TCP connection to that address."""
    return docker("exec", container, "python", "-c", TRY, host, str(port))


@contextmanager
def a_container(image: str, *options: str) -> Iterator[str]:
    """Yield the name of a container that is not the panel's and does nothing for a minute."""
    name = f"amlp-other-{secrets.token_hex(4)}"
    docker("run", "-d", "--name", name, *options, image, "sleep", "60")
    try:
        yield name
    finally:
        docker("rm", "-f", name)


def put_on_the_network_of_an_earlier_version(bench: Bench, *containers: str) -> None:
    """Exchange the services' network for one as it was made before it was closed, with these containers on it."""
    network = bench.host.network
    if docker("network", "ls", "-q", "--filter", f"name=^{network}$"):
        for container in (bench.engine.network(network) or {})["Containers"]:
            docker("network", "disconnect", network, container)
        docker("network", "rm", network)
    project = f"com.docker.compose.project={bench.host.project}"
    docker("network", "create", "--label", project, "--label", "com.docker.compose.network=serving", network)
    for container in containers:
        docker("network", "connect", "--alias", container, network, container)


def test_no_address_outside_can_be_reached_from_a_service(docker_bench: Bench) -> None:
    spec, _ = started(docker_bench)
    with a_machine_outside() as outside, a_container(docker_bench.host.image) as elsewhere:
        assert try_to_connect(elsewhere, *outside) == "connected", "from another network it can be reached"
        assert try_to_connect(docker_bench.name, *outside) != "connected"
    assert answers(docker_bench, spec)


def test_services_find_each_other_by_name_when_no_name_server_is_asked_for_them(docker_bench: Bench) -> None:
    api, _ = started(docker_bench)
    app = replace(api, name="app", port=free_port(), start_s=20.0)
    docker_bench.runtime.ensure(app)
    of_app = docker_bench.host.service_container("app")
    assert inspect(of_app)["HostConfig"]["Dns"] == ["127.0.0.1"]
    assert try_to_connect(of_app, docker_bench.name, api.listen_port) == "connected"


def test_services_serve_on_without_a_way_out_when_an_earlier_version_made_the_network(docker_bench: Bench) -> None:
    spec, first = started(docker_bench)
    with a_machine_outside() as outside, a_container(docker_bench.host.image) as panel:
        put_on_the_network_of_an_earlier_version(docker_bench, docker_bench.name, panel)
        assert try_to_connect(docker_bench.name, *outside) == "connected"
        host = replace(docker_bench.host, container_id=inspect(panel)["Id"])
        restarted = DockerRuntime(Settings(), docker_bench.engine, host=host)
        seen = restarted.observe("api")
        assert (seen.instance_id, seen.digest, answers(docker_bench, spec)) == (first.instance_id, spec.digest, True)
        assert try_to_connect(docker_bench.name, *outside) != "connected"
        assert try_to_connect(panel, docker_bench.name, spec.listen_port) == "connected"
        assert restarted.checks({}) == docker_bench.runtime.checks({}), "nothing is left to be reported"
        restarted.ensure(spec)
        assert restarted.observe("api").instance_id == first.instance_id


def test_the_network_is_left_alone_and_reported_when_a_strangers_container_is_on_it(docker_bench: Bench) -> None:
    spec, first = started(docker_bench)
    with a_container(docker_bench.host.image) as stranger:
        put_on_the_network_of_an_earlier_version(docker_bench, docker_bench.name, stranger)
        restarted = DockerRuntime(Settings(), docker_bench.engine, host=docker_bench.host)
        restarted.ensure(spec)
        assert restarted.observe("api").instance_id == first.instance_id
        assert answers(docker_bench, spec)
        assert docker_bench.host.network in inspect(stranger)["NetworkSettings"]["Networks"]
        warnings = [check for check in restarted.checks({}) if check.state == "warning"]
        assert [(check.id, stranger in check.fix) for check in warnings] == [("NET-03", True)]
