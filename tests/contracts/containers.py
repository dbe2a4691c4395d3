"""Looking at the containers of a runtime under test, by the engine and by HTTP."""

import json
import urllib.request
from typing import Any, Protocol

from app.panel.services.docker import container_config
from app.panel.services.docker.engine import Engine
from app.panel.services.docker.host_container import HostContainer
from app.panel.services.docker.runtime import DockerRuntime
from app.panel.services.protocol import Observed, ServiceSpec
from bench.compose_stack import docker
from tests.contracts.observed import observed


class Bench(Protocol):
    """`conftest.DockerBench`."""

    runtime: DockerRuntime
    engine: Engine
    host: HostContainer
    port: int
    name: str

    def spec(self, *args: str, **env: str) -> ServiceSpec:
        """Return the fake service."""

    def kept_spec(self, *args: str, **env: str) -> ServiceSpec:
        """Return the fake service whose port is kept."""


def inspect(name: str) -> dict[str, Any]:
    inspected: dict[str, Any] = json.loads(docker("inspect", name))[0]
    return inspected


def names(bench: Bench) -> set[str]:
    label = f"label={container_config.OWNER}={bench.host.project}"
    return set(docker("ps", "-a", "--filter", label, "--format", "{{.Names}}").split())


def answers(bench: Bench, spec: ServiceSpec) -> bool:
    try:
        with urllib.request.urlopen(bench.runtime.public_url(spec), timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def started(bench: Bench) -> tuple[ServiceSpec, Observed]:
    spec = bench.spec()
    bench.runtime.ensure(spec)
    return spec, observed(bench.runtime, "running")
