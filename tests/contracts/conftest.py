"""The Docker runtime for the contract suite: real containers of a tiny image that holds the fake service."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from app.panel.services.docker import container_config
from app.panel.services.docker.engine import Engine
from app.panel.services.docker.host_container import HostContainer
from app.panel.services.docker.runtime import DockerRuntime
from app.panel.services.protocol import Mount, ServiceSpec
from app.panel.settings import Settings
from bench.compose_stack import docker
from bench.ports import free_port
from tests.docker.images import fake_image

__all__ = ["docker_bench", "fake_image"]


@dataclass
class DockerBench:
    """The runtime under test, in a project of its own."""

    runtime: DockerRuntime
    engine: Engine
    host: HostContainer
    port: int

    def next_runtime(self) -> DockerRuntime:
        """Return the runtime of the panel that comes after this one."""
        return DockerRuntime(Settings(), Engine(), host=self.host)

    @property
    def name(self) -> str:
        """Return the container that plays the API."""
        return self.host.service_container("api")

    def kept_spec(self, *args: str, **env: str) -> ServiceSpec:
        """Return the fake service whose port is kept while one replaces another."""
        return replace(
            self.spec(*args, ML_PIPELINE_PORT_KEEPER="/state/ports/api.sock", **env),
            mounts=(Mount("ports", "/state/ports", read_only=True, source=f"{self.host.project}_ports"),),
            is_port_kept=True,
        )

    def spec(self, *args: str, **env: str) -> ServiceSpec:
        """Return the fake service with these arguments and environment."""
        return ServiceSpec(
            name="api",
            argv=("/usr/local/bin/python", "/srv/service.py", "0.0.0.0", str(self.port), *args),
            env=env,
            port=self.port,
            port_setting="API_PORT",
            listen_port=self.port,
            host="0.0.0.0",
            ready_path="/",
            memory_bytes=2**26,
            cpus=1.0,
            pids=64,
            start_s=10.0,
            user=self.host.user,
        )


@pytest.fixture
def docker_bench(fake_image: str) -> Iterator[DockerBench]:
    """Yield a runtime whose panel runs on this machine instead of in a container; nothing is left behind."""
    project = f"amlp-test-{secrets.token_hex(4)}"
    host = HostContainer(image=fake_image, project=project, sources={}, user="10001:10001", compose_labels={}, cpus=2.0)
    engine = Engine()
    runtime = DockerRuntime(Settings(), engine, host=host)
    yield DockerBench(runtime, engine, host, free_port())
    runtime.close()
    for container in docker("ps", "-aq", "--filter", f"label={container_config.OWNER}={project}").split():
        docker("rm", "-fv", container)
    if docker("network", "ls", "-q", "--filter", f"name=^{host.network}$"):
        docker("network", "rm", host.network)
    if docker("volume", "ls", "-q", "--filter", f"name=^{project}_ports$"):
        docker("volume", "rm", f"{project}_ports")
