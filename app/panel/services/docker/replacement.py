"""Replaces one container by another: runs a canary, then swaps, and goes back if that fails."""

import contextlib
import time
from collections.abc import Callable
from typing import Final

from app.panel.services.docker import container_config, starting
from app.panel.services.docker.container_config import Role
from app.panel.services.docker.engine import Engine, Inspected
from app.panel.services.docker.engine_errors import ErrorContext
from app.panel.services.docker.host_container import HostContainer
from app.panel.services.docker.inspection import health_status, is_listening, parse_log
from app.panel.services.docker.port_keeper import PortKeeper
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

    def hand_over(self, old: Inspected) -> None:
        """Start the new one beside the old one, which ends when both serve at the kept port: without a gap.

        Names change first: whatever is cut short, the next observation finds one that serves. Raises SVC-01 where the
        new one does not come up; the old one serves on.
        """
        new = self.create("next")
        try:
            self.start(new)
            self._wait_listening(new)
            self._engine.rename(old["Id"], container_config.container_name(self._host, self._spec.name, "previous"))
            self._engine.rename(new, self._name)
        except ProblemError:
            with contextlib.suppress(ProblemError):
                self.remove_gently(new)
            with contextlib.suppress(ProblemError):
                self._engine.rename(old["Id"], self._name)
            raise
        self.remove_gently(old["Id"])

    def remove_gently(self, container_id: str) -> None:
        """Remove one that may be serving at the kept port: what it has accepted is answered first."""
        self._engine.stop(container_id, grace_s=container_config.STOP_GRACE_S)
        self._engine.remove(container_id)

    def replace(self, old: Inspected, keeper: PortKeeper | None = None) -> None:
        """Stop the old one and start the new one, the only gap in service. If that fails, the old one is started again.

        `keeper` gets the port in between, of one that had it itself.
        """
        new = self.create("next")
        try:
            self._engine.stop(old["Id"], grace_s=container_config.STOP_GRACE_S)
            self._engine.rename(old["Id"], container_config.container_name(self._host, self._spec.name, "previous"))
            self._engine.rename(new, self._name)
            if keeper is not None:
                keeper.ensure()
            self.start(new)
        except ProblemError:
            # Each step may have happened or not; what cannot be undone now (no engine) is found by the next observation.
            with contextlib.suppress(ProblemError):
                self._engine.remove(new)
            if keeper is not None:
                with contextlib.suppress(ProblemError):
                    keeper.remove()
            with contextlib.suppress(ProblemError):
                self._engine.rename(old["Id"], self._name)
            with contextlib.suppress(ProblemError):
                self._engine.start(old["Id"], self._context())
            raise
        self._engine.remove(old["Id"])

    def create(self, role: Role, *, publish: bool = True) -> str:
        """Create it and return its id."""
        request = container_config.create_request(self._spec, self._host, role=role, publish=publish)
        name = container_config.container_name(self._host, self._spec.name, role)
        return starting.create(self._engine, name, request, self._context())

    def start(self, container_id: str) -> None:
        """Start it, or leave nothing behind."""
        starting.start(self._engine, container_id, self._context())

    def _wait_listening(self, container_id: str) -> None:
        """Wait for its own port, which it opens when it serves at the kept one. Raises SVC-01 when that does not come.

        The engine finds it open as well, later, where the panel cannot connect to it.
        """
        self._wait(
            container_id,
            lambda container: is_listening(container, self._host) or health_status(container) == "healthy",
        )

    def _wait_healthy(self, container_id: str) -> None:
        self._wait(container_id, lambda container: health_status(container) == "healthy")

    def _wait(self, container_id: str, is_well: Callable[[Inspected], bool]) -> None:
        deadline = time.monotonic() + self._spec.start_s
        while True:
            container = self._engine.container(container_id)
            is_up = container is not None and container["State"]["Running"] and not container["State"].get("Restarting")
            if container is not None and is_up and is_well(container):
                return
            if not is_up or time.monotonic() > deadline:
                lines = parse_log(self._engine.logs(container_id, since_s=0, limit=5), 0).lines
                raise ServiceStartError.of_container(self._name, " / ".join(lines)[-400:], old_serves=True)
            time.sleep(_POLL_S)

    @property
    def _name(self) -> str:
        return self._host.service_container(self._spec.name)

    def _context(self) -> ErrorContext:
        """Return what is being done, for a message. Who has the port is looked up only after the engine has refused it."""
        return ErrorContext(self._name, self._spec.port, self._spec.port_setting)
