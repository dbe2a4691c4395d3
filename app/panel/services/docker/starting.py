"""Creates and starts one container, or leaves nothing behind."""

import contextlib
from dataclasses import replace
from typing import Any

from app.panel.services.docker import container_config
from app.panel.services.docker.engine import Engine
from app.panel.services.docker.engine_errors import ErrorContext
from app.panel.services.problems import ServiceStartError
from pipeline.core.problems import ProblemError


def create(engine: Engine, name: str, request: dict[str, Any], context: ErrorContext) -> str:
    """Create it and return its id. An engine that ignores a limit (a kernel without it) is trusted, once."""
    context = replace(context, container=name)
    container_id = engine.create(name, request, context)
    created = engine.container(container_id)
    if created is not None and container_config.is_modified(created):
        engine.remove(container_id)
        request["Labels"][container_config.FINGERPRINT] = container_config.fingerprint(created)
        container_id = engine.create(name, request, context)
    return container_id


def start(engine: Engine, container_id: str, context: ErrorContext) -> None:
    """Start it, or leave nothing behind: one that lost its port once may come up without any at the next try."""
    try:
        engine.start(container_id, context)
        started = engine.container(container_id)
        if (
            started is not None
            and started["State"]["Running"]
            and not started["State"].get("Restarting")  # it ended at once, which the next observation reports
            and not container_config.configured_ports(started) <= container_config.published_ports(started)
        ):
            raise ServiceStartError.of_container(
                context.container, "The engine did not publish its port.", old_serves=False
            )
    except ProblemError:
        with contextlib.suppress(ProblemError):
            engine.remove(container_id)
        raise
