"""Chooses and makes the runtime that runs the services."""

import os
from pathlib import Path

from app.panel.services.docker.host_container import SOCKET, own_container_id
from app.panel.services.process.runtime import ProcessRuntime
from app.panel.services.protocol import Runtime, RuntimeKind
from app.panel.services.specs import process_placement
from app.panel.settings import Settings


def runtime_kind(settings: Settings) -> RuntimeKind:
    """Return the kind as set; `auto` is containers where the panel itself is in one and has the engine's socket, else processes."""
    if settings.runtime != "auto":
        return settings.runtime
    return "docker" if own_container_id() and Path(SOCKET).exists() else "process"


def make_runtime(settings: Settings, kind: RuntimeKind) -> Runtime:
    """Return the runtime; nothing is started or contacted yet, so this works without an engine."""
    if kind == "process":
        return ProcessRuntime(process_placement(settings), settings.state_dir / "services")
    # The SDK is large and not needed by processes.
    from app.panel.services.docker.engine import Engine  # noqa: PLC0415
    from app.panel.services.docker.runtime import DockerRuntime  # noqa: PLC0415

    return DockerRuntime(settings, Engine(address=os.environ.get("DOCKER_HOST", "")))
