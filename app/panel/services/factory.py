"""Chooses and makes the runtime that runs the services."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from app.panel.services.docker.host_container import SOCKET, own_container_id, published_addresses
from app.panel.services.process.code_version import code_version
from app.panel.services.process.runtime import ProcessRuntime
from app.panel.services.protocol import Runtime, RuntimeKind
from app.panel.services.specs import process_placement
from app.panel.settings import Settings
from pipeline.core.problems import ProblemError

if TYPE_CHECKING:
    from app.panel.services.docker.engine import Engine


def runtime_kind(settings: Settings) -> RuntimeKind:
    """Return the kind as set; `auto` is containers where the panel itself is in one and has the engine's socket, else processes."""
    if settings.runtime != "auto":
        return settings.runtime
    return "docker" if own_container_id() and Path(SOCKET).exists() else "process"


def own_published_addresses(settings: Settings) -> tuple[str, ...] | None:
    """Return the addresses of the machine on which the panel's own container is published; None where nobody can say.

    Where services are to be containers an engine is needed anyway: raises ProblemError (DOCK-nn) that says what is wrong
    with it, and not that nothing is known.
    """
    own_id = own_container_id()
    if not own_id or (settings.runtime != "docker" and not Path(SOCKET).exists()):
        return None
    engine = _engine()
    try:
        inspected = engine.container(own_id)
    except ProblemError:
        if settings.runtime == "docker":
            raise
        return None
    finally:
        engine.close()
    return published_addresses(inspected) if inspected is not None else None


def services_dir(settings: Settings) -> Path:
    """Return the folder of services that are processes: their logs, and what runs."""
    return settings.state_dir / "services"


def make_runtime(settings: Settings, kind: RuntimeKind) -> Runtime:
    """Return the runtime; nothing is started or contacted yet, so this works without an engine."""
    if kind == "process":
        return ProcessRuntime(process_placement(settings, code_version()), services_dir(settings))
    # The SDK is large and not needed by processes.
    from app.panel.services.docker.runtime import DockerRuntime  # noqa: PLC0415

    return DockerRuntime(settings, _engine())


def _engine() -> "Engine":
    from app.panel.services.docker.engine import Engine  # noqa: PLC0415

    return Engine(address=os.environ.get("DOCKER_HOST", ""), source=os.environ.get("DOCKER_SOCK", ""))
