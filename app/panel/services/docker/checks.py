"""Preflight checks that only the engine can make: it responds, the panel runs in it, names and ports are free."""

from collections.abc import Callable, Mapping
from typing import get_args

from app.panel.services.docker import container_config
from app.panel.services.docker.engine import Engine
from app.panel.services.docker.engine_errors import ErrorContext, port_taken
from app.panel.services.docker.engine_problems import PodmanEngineError
from app.panel.services.docker.host_container import HostContainer
from app.panel.services.docker.ownership import is_ours
from app.panel.services.docker.problems import ContainerNameTakenError, LowEngineMemoryError
from app.panel.services.protocol import TITLES, Check, ServiceName, ServiceSpec
from pipeline.core.problems import ProblemError

MEMORY_BYTES = 2 * 2**30


def engine_checks(
    engine: Engine, host: Callable[[], HostContainer], specs: Mapping[ServiceName, ServiceSpec]
) -> list[Check]:
    """Return one check without an engine; with one: engine, memory, and one for each service's name and port."""
    try:
        info = engine.info()
        own = host()
        checks = [
            Check("docker", "Docker", "ok", f"Docker Engine {engine.version} responds."),
            *([Check.failed("Podman", PodmanEngineError(), "warning")] if engine.is_podman else []),
            _memory(info["MemTotal"]),
        ]
        return checks + [_service(engine, own, spec) for spec in specs.values()]
    except ProblemError as problem:
        return [Check.failed("Docker", problem)]


def _memory(total_bytes: int) -> Check:
    text = f"Docker has {total_bytes / 2**30:.1f} GiB of memory."
    if total_bytes >= MEMORY_BYTES:
        return Check("docker-memory", "Docker's memory", "ok", text)
    return Check.failed("Docker's memory", LowEngineMemoryError(total_bytes), "warning")


def _service(engine: Engine, host: HostContainer, spec: ServiceSpec) -> Check:
    name = host.service_container(spec.name)
    title = f"Port {spec.port}"
    container = engine.container(name)
    if container is not None and not is_ours(container, host, spec.name):
        return Check.failed(title, ContainerNameTakenError(name))
    holder = engine.find_port_holder(spec.port)
    if holder.removeprefix("container ") in {
        "",
        host.keeper_container(spec.name),
        f"{host.keeper_container(spec.name)}-next",
        *(container_config.container_name(host, spec.name, role) for role in get_args(container_config.Role)),
    }:
        what = f"Used by {TITLES[spec.name]}." if holder else f"No container uses it; reserved for {TITLES[spec.name]}."
        return Check(spec.port_setting.lower(), title, "ok", what)
    return Check.failed(title, port_taken(ErrorContext(name, spec.port, spec.port_setting, holder)))
