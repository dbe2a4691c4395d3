"""Replaces one container by another: runs a canary, then swaps, and goes back if that fails."""

import contextlib
import time
from dataclasses import replace
from typing import Final

from app.panel.services.docker import container_config
from app.panel.services.docker.container_config import Role
from app.panel.services.docker.engine import Engine, Inspected
from app.panel.services.docker.engine_errors import ErrorContext
from app.panel.services.docker.host_container import HostContainer
from app.panel.services.docker.inspection import health_status, parse_log
from app.panel.services.problems import ServiceStartError
from app.panel.services.protocol import ServiceSpec
from pipeline.core.problems import ProblemError

_POLL_S: Final = 0.1


class Replacement:
    """The steps for one service. Each leaves behind nothing but what the next observation can make sense of."""

    def __init__(self, engine: Engine, host: HostContainer, spec: ServiceSpec) -> None:
        self._engine = engine
        self._host = host
        self._spec = spec

    def start_canary(self, old: Inspected) -> None:
        """Start a copy of the new one beside the old one and wait until it is healthy; it is removed afterwards in any case.

        It takes the new port where that is another than the old one's, so that a taken port is found now. Raises
        SVC-01 with its last output when it ends or is not healthy in time.
        """
        canary = self.create("canary", publish=self._spec.port not in container_config.configured_ports(old))
        try:
            self.start(canary)
            self._wait_healthy(canary)
        finally:
            with contextlib.suppress(ProblemError):
                self._engine.remove(canary)

    def replace(self, old: Inspected) -> None:
        """Stop the old one and start the new one, the only gap in service. If that fails, the old one is started again."""
        new = self.create("next")
        try:
            self._engine.stop(old["Id"], grace_s=container_config.STOP_GRACE_S)
            self._engine.rename(old["Id"], container_config.container_name(self._host, self._spec.name, "previous"))
            self._engine.rename(new, self._name)
            self.start(new)
        except ProblemError:
            # Each step may have happened or not; what cannot be undone now (no engine) is found by the next observation.
            with contextlib.suppress(ProblemError):
                self._engine.remove(new)
            with contextlib.suppress(ProblemError):
                self._engine.rename(old["Id"], self._name)
            with contextlib.suppress(ProblemError):
                self._engine.start(old["Id"], self._context())
            raise
        self._engine.remove(old["Id"])

    def create(self, role: Role, *, publish: bool = True) -> str:
        """Create it and return its id. An engine that ignores a limit (a kernel without it) is trusted, once."""
        name = container_config.container_name(self._host, self._spec.name, role)
        context = replace(self._context(), container=name)
        request = container_config.create_request(self._spec, self._host, role=role, publish=publish)
        container_id = self._engine.create(name, request, context)
        created = self._engine.container(container_id)
        if created is not None and container_config.is_modified(created):
            self._engine.remove(container_id)
            request["Labels"][container_config.FINGERPRINT] = container_config.fingerprint(created)
            container_id = self._engine.create(name, request, context)
        return container_id

    def start(self, container_id: str) -> None:
        """Start it, or leave nothing behind: one that lost its port once may come up without any at the next try."""
        try:
            self._engine.start(container_id, self._context())
            started = self._engine.container(container_id)
            if (
                started is not None
                and started["State"]["Running"]
                and not started["State"].get("Restarting")  # it ended at once, which the next observation reports
                and not container_config.configured_ports(started) <= container_config.published_ports(started)
            ):
                raise ServiceStartError.of_container(
                    self._name, "The engine did not publish its port.", old_serves=False
                )
        except ProblemError:
            with contextlib.suppress(ProblemError):
                self._engine.remove(container_id)
            raise

    def _wait_healthy(self, container_id: str) -> None:
        deadline = time.monotonic() + self._spec.start_s
        while True:
            container = self._engine.container(container_id)
            if container is not None and health_status(container) == "healthy":
                return
            if container is None or not container["State"]["Running"] or time.monotonic() > deadline:
                lines = parse_log(self._engine.logs(container_id, since_s=0, limit=5), 0).lines
                raise ServiceStartError.of_container(self._name, " / ".join(lines)[-400:], old_serves=True)
            time.sleep(_POLL_S)

    @property
    def _name(self) -> str:
        return self._host.service_container(self._spec.name)

    def _context(self) -> ErrorContext:
        """Return what is being done, for a message. Who has the port is looked up only after the engine has refused it."""
        return ErrorContext(self._name, self._spec.port, self._spec.port_setting)
