"""The engine goes away in the middle of a replacement, at each step of it: afterwards there is one container, the new one."""

import itertools
import signal
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from app.panel.services.docker import container_config
from app.panel.services.docker.container_config import OWNER
from app.panel.services.docker.engine import Engine
from app.panel.services.docker.engine_errors import ErrorContext
from app.panel.services.docker.host_container import HostContainer
from app.panel.services.docker.runtime import DockerRuntime
from app.panel.services.protocol import Mount, ServiceSpec
from app.panel.settings import Settings
from bench.wait import until
from pipeline.core.problems import ProblemError
from tests.docker.private_engine import PrivateEngine

pytestmark = pytest.mark.docker
T = TypeVar("T")


class Counting(Engine):
    """Lets something happen right before the n-th change that it asks the engine for."""

    n_changes = 0
    happens_at = 0

    def __init__(self, path: str, happening: Callable[[], None]) -> None:
        super().__init__(path=path)
        self.happening = happening

    def _write(self, call: Callable[[Any], T], context: ErrorContext | None = None) -> T:
        self.n_changes += 1
        if self.n_changes == self.happens_at:
            self.happening()
        return super()._write(call, context)


def spec(role: str, *, is_port_kept: bool) -> ServiceSpec:
    kept = {"ML_PIPELINE_PORT_KEEPER": "/state/ports/api.sock"} if is_port_kept else {}
    return ServiceSpec(
        name="api",
        argv=("/usr/local/bin/python", "-m", "http.server", "45871"),
        env={"ROLE": role, **kept},
        port=45871,
        port_setting="API_PORT",
        listen_port=45871,
        host="0.0.0.0",
        ready_path="/",
        memory_bytes=2**27,
        cpus=1.0,
        pids=64,
        start_s=10.0,
        user="10001:10001",
        mounts=(Mount("ports", "/state/ports", read_only=True, source="restarts_ports"),) if is_port_kept else (),
        is_port_kept=is_port_kept,
    )


@pytest.fixture
def host(private_engine: PrivateEngine) -> HostContainer:
    image = private_engine.docker("image", "ls", "-q", "--no-trunc").split()[0]
    return HostContainer(image, "restarts", {}, "10001:10001", {}, cpus=2.0)


def ensured(runtime: DockerRuntime, desired: ServiceSpec, within_s: float = 60.0) -> None:
    """Look, and ensure only while something is not as it should be: as the supervisor does."""

    def is_as_desired() -> bool:
        try:
            seen = runtime.observe("api")
            if seen.digest == desired.digest and seen.state in {"starting", "running"}:
                return True
            runtime.ensure(desired)
        except ProblemError as problem:
            if not problem.retryable:
                pytest.fail(str(problem))
            raise
        return False

    until(is_as_desired, within_s=within_s, interval_s=0.2, what="the desired container", not_yet=(ProblemError,))


@pytest.mark.parametrize("is_port_kept", [False, True])
def test_one_new_container_is_left_when_the_engine_restarts_at_any_step(
    private_engine: PrivateEngine, host: HostContainer, monkeypatch: pytest.MonkeyPatch, *, is_port_kept: bool
) -> None:
    """Each step once; the engine is stopped at every other one and killed at the rest."""
    # Nobody outside of the private engine's network can connect to a container: only its health check can tell.
    monkeypatch.setattr(container_config, "HEALTH_EVERY_S", 1)
    ways = itertools.cycle([signal.SIGTERM, signal.SIGKILL])

    def happening() -> None:
        private_engine.end(next(ways))
        private_engine.start()

    engine = Counting(str(private_engine.socket), happening)
    runtime = DockerRuntime(Settings(), engine, host=host)
    ensured(runtime, spec("before", is_port_kept=is_port_kept))
    n_before = engine.n_changes
    ensured(runtime, spec("before all", is_port_kept=is_port_kept))
    n_steps = engine.n_changes - n_before
    assert n_steps >= 8, "a replacement was expected to take its steps"
    for step in range(1, n_steps + 1):
        engine.happens_at = engine.n_changes + step
        desired = spec(f"step {step}", is_port_kept=is_port_kept)
        ensured(runtime, desired)
        ours = f"label={OWNER}=restarts"
        left = private_engine.docker("ps", "-a", "--filter", ours, "--format", "{{.Names}} {{.State}}")
        expected = {"restarts-ml-api running", *({"restarts-ml-api-port running"} if is_port_kept else ())}
        assert set(left.splitlines()) == expected, f"step {step}"
        assert runtime.observe("api").digest == desired.digest
    runtime.stop("api")
    runtime.close()
