"""Putting one container in the place of another: rehearse, then swap, and go back if that fails."""

import contextlib
import time
from dataclasses import replace
from typing import Final

from app.panel.services.docker import container_config
from app.panel.services.docker.container_config import Role
from app.panel.services.docker.engine import Engine, Inspected
from app.panel.services.docker.engine_errors import ErrorContext
from app.panel.services.docker.host_container import Home
from app.panel.services.docker.inspection import health, log_chunk
from app.panel.services.problems import ServiceStartError
from app.panel.services.protocol import ServiceSpec
from pipeline.core.problems import ProblemError

_POLL_S: Final = 0.1


class Swap:
    """The steps for one service. Each leaves behind nothing but what the next look at the engine can make sense of."""

    def __init__(self, engine: Engine, home: Home, spec: ServiceSpec) -> None:
        self._engine = engine
        self._home = home
        self._spec = spec

    def rehearse(self, old: Inspected) -> None:
        """Start a copy of the new one beside the old one and wait until it is healthy; it is removed in any case.

        It takes the new port where that is another than the old one's, so that a taken port is found now. Raises
        SVC-01 with its last words when it ends or is not healthy in time.
        """
        made = self.create("trial", publish=self._spec.port not in container_config.asked_ports(old))
        try:
            self.start(made)
            self._wait_healthy(made)
        finally:
            with contextlib.suppress(ProblemError):
                self._engine.remove(made)

    def replace(self, old: Inspected) -> None:
        """From the old one's last answer to the new one's start: the only gap. If that fails, the old one is back."""
        name = container_config.title(self._home, self._spec.name)
        new = self.create("next")
        try:
            self._engine.stop(old["Id"], grace_s=container_config.STOP_GRACE_S)
            self._engine.rename(old["Id"], container_config.title(self._home, self._spec.name, "previous"))
            self._engine.rename(new, name)
            self.start(new)
        except ProblemError:
            # Each step may have happened or not; what cannot be undone now (no engine) is found at the next look.
            with contextlib.suppress(ProblemError):
                self._engine.remove(new)
            with contextlib.suppress(ProblemError):
                self._engine.rename(old["Id"], name)
            with contextlib.suppress(ProblemError):
                self._engine.start(old["Id"], self._context())
            raise
        self._engine.remove(old["Id"])

    def create(self, role: Role, *, publish: bool = True) -> str:
        """Create it and return its id; an engine that ignores a limit (a kernel without it) is taken at its word, once."""
        name = container_config.title(self._home, self._spec.name, role)
        context = replace(self._context(), container=name)
        body = container_config.body(self._spec, self._home, role=role, publish=publish)
        made = self._engine.create(name, body, context)
        found = self._engine.container(made)
        if found is not None and container_config.is_edited(found):
            self._engine.remove(made)
            body["Labels"][container_config.CONTENT] = container_config.content(found)
            made = self._engine.create(name, body, context)
        return made

    def start(self, made: str) -> None:
        """Start it, or leave nothing behind: one that lost its port once may come up without any at the next try."""
        try:
            self._engine.start(made, self._context())
            found = self._engine.container(made)
            if (
                found is not None
                and found["State"]["Running"]
                and not found["State"].get("Restarting")  # it ended at once, which is for the next look to say
                and not container_config.asked_ports(found) <= container_config.published(found)
            ):
                raise ServiceStartError.of_container(
                    self._title, "The engine did not publish its port.", old_serves=False
                )
        except ProblemError:
            with contextlib.suppress(ProblemError):
                self._engine.remove(made)
            raise

    def _wait_healthy(self, made: str) -> None:
        deadline = time.monotonic() + self._spec.start_s
        while True:
            found = self._engine.container(made)
            if found is not None and health(found) == "healthy":
                return
            if found is None or not found["State"]["Running"] or time.monotonic() > deadline:
                lines = log_chunk(self._engine.logs(made, since_s=0, limit=5), 0).lines
                raise ServiceStartError.of_container(self._title, " / ".join(lines)[-400:], old_serves=True)
            time.sleep(_POLL_S)

    @property
    def _title(self) -> str:
        return self._home.container(self._spec.name)

    def _context(self) -> ErrorContext:
        """What is being done, for a message. Who has the port is asked only after the engine has refused it."""
        return ErrorContext(self._title, self._spec.port, self._spec.port_setting)
