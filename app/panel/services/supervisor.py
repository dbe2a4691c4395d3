"""Keeps the services running: looks, compares with what should be, acts, and looks again."""

import threading
from collections.abc import Iterable
from typing import Protocol

from app.panel.services.protocol import LogChunk, ServiceName
from app.panel.services.queries import ServicesView


class ServiceVerbs(Protocol):
    """The verbs of `ServiceSupervisor`. Sync, thread-safe."""

    def view(self) -> ServicesView:
        """The last look; costs nothing."""

    def restart(self, name: ServiceName) -> None:
        """Restart it now, whatever its back-off says. Raises ProblemError (PORT-01, ...) if it cannot be started."""

    def log(self, name: ServiceName, after: int = 0) -> LogChunk:
        """What it wrote after the cursor."""

    def wait_ready(self, names: Iterable[ServiceName], timeout_s: float, stop: threading.Event) -> None:
        """Return when all of them answer; starts what does not run at once. Raises ProblemError SVC-02 with the reason."""

    def url(self, name: ServiceName) -> str:
        """Base URL by which the panel reaches it."""

    def public_url(self, name: ServiceName) -> str:
        """Base URL for people on this machine."""
