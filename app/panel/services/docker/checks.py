"""Preflight checks that only the engine can answer: is it there, are we in it, is what the services need free."""

from collections.abc import Callable, Mapping
from typing import get_args

from app.panel.services.docker import container_config
from app.panel.services.docker.engine import Engine
from app.panel.services.docker.engine_errors import ErrorContext, port_taken
from app.panel.services.docker.host_container import Home
from app.panel.services.docker.problems import ContainerNameTakenError, LowEngineMemoryError
from app.panel.services.protocol import TITLES, Check, CheckState, ServiceName, ServiceSpec
from pipeline.core.problems import ProblemError

MEMORY_BYTES = 2 * 2**30


def engine_checks(engine: Engine, home: Callable[[], Home], specs: Mapping[ServiceName, ServiceSpec]) -> list[Check]:
    """Without an engine one check that says so; with one: engine, memory, and a line a service for name and port."""
    try:
        info = engine.info()
        ours = home()
        checks = [
            Check("docker", "Docker", "ok", f"Docker Engine {engine.version} answers."),
            _memory(info["MemTotal"]),
        ]
        return checks + [_service(engine, ours, spec) for spec in specs.values()]
    except ProblemError as error:
        return [failed("Docker", error)]


def failed(name: str, error: ProblemError, state: CheckState = "error") -> Check:
    """A problem as a check."""
    return Check(error.id, name, state, error.what, why=error.why, fix=error.fix, command=error.command)


def _memory(total_bytes: int) -> Check:
    text = f"Docker has {total_bytes / 2**30:.1f} GiB of memory."
    if total_bytes >= MEMORY_BYTES:
        return Check("docker-memory", "Docker's memory", "ok", text)
    return failed("Docker's memory", LowEngineMemoryError(total_bytes), "warning")


def _service(engine: Engine, home: Home, spec: ServiceSpec) -> Check:
    name = home.container(spec.name)
    title = f"Port {spec.port}"
    found = engine.container(name)
    if (
        found is not None
        and not container_config.owned(home, spec.name).items() <= (found["Config"].get("Labels") or {}).items()
    ):
        return failed(title, ContainerNameTakenError(name))
    holder = engine.holder(spec.port)
    if holder.removeprefix("container ") in {
        "",
        *(container_config.title(home, spec.name, role) for role in get_args(container_config.Role)),
    }:
        what = f"{TITLES[spec.name]} has it." if holder else f"No container has it; it is {TITLES[spec.name]}'s."
        return Check(spec.port_setting.lower(), title, "ok", what)
    return failed(title, port_taken(ErrorContext(name, spec.port, spec.port_setting, holder)))
