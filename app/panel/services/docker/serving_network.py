"""The services' own network: they reach each other, their published ports answer on this machine, and it has no way out.

Not Docker's `internal` network: that one publishes no ports. Without address translation a packet may still leave, but
under an address that nobody outside can answer, so that no connection is ever made.
"""

import logging
import threading
from collections.abc import Mapping
from typing import Any, Final

from app.panel.services.docker.engine import Engine
from app.panel.services.docker.host_container import HostContainer
from app.panel.services.docker.ownership import is_ours
from app.panel.services.docker.problems import NetworkNameTakenError, NetworkNotReplacedError
from app.panel.services.protocol import Check
from pipeline.core.problems import ProblemError

log = logging.getLogger(__name__)

OPTIONS: Final[Mapping[str, str]] = {"com.docker.network.bridge.enable_ip_masquerade": "false"}


class ServingNetwork:
    """Creates the network, replaces one that has a way out, and keeps the panel connected. Safe from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._kept: NetworkNotReplacedError | None = None

    def ensure(self, host: HostContainer) -> None:
        """Make the network exist, with the panel in it. Raises ProblemError: NAME-02 when it is somebody else's."""
        labels = {"com.docker.compose.project": host.project, "com.docker.compose.network": "serving"}
        with self._lock:
            network = self._engine.network(host.network)
            if network is not None and not labels.items() <= (network.get("Labels") or {}).items():
                raise NetworkNameTakenError(host.network)
            if network is not None and has_way_out(network) and self._kept is None:
                members = self._remove(network, host)
                network = self._engine.network(host.network)
            else:
                members = {}
            if network is None:
                self._engine.create_network(host.network, {**host.compose_labels, **labels}, OPTIONS)
                network = self._engine.network(host.network) or {}
            if host.container_id:
                members.setdefault(host.container_id, ["panel"])
            for container_id, aliases in members.items():
                if container_id not in (network.get("Containers") or {}):
                    self._engine.connect(host.network, container_id, aliases)

    def checks(self) -> list[Check]:
        """Return a warning where the network has a way out and could not be replaced."""
        return [Check.failed("Services' network", self._kept, "warning")] if self._kept else []

    def _remove(self, network: Mapping[str, Any], host: HostContainer) -> dict[str, list[str]]:
        """Remove the network of an earlier version; return who is to be connected again, with their names in it.

        Services do not stop, but their ports answer nobody for a moment. Where it cannot be removed it stays, and
        nothing is tried again before the next start of the panel.
        """
        members: dict[str, list[str]] = {}
        try:
            for container_id in network.get("Containers") or {}:
                container = self._engine.container(container_id)
                if container is None:
                    continue
                if container_id != host.container_id and not is_ours(container, host):
                    raise NetworkNotReplacedError(host.network, container["Name"].lstrip("/"))
                aliases = container["NetworkSettings"]["Networks"][host.network].get("Aliases") or []
                members[container_id] = [alias for alias in aliases if not container_id.startswith(alias)]
            for container_id in members:
                self._engine.disconnect(host.network, container_id)
            self._engine.remove_network(host.network)
        except ProblemError as problem:
            self._kept = (
                problem
                if isinstance(problem, NetworkNotReplacedError)
                else NetworkNotReplacedError(host.network, reason=problem.what)
            )
            log.warning("action=keep_network problem=%s", self._kept)
        else:
            log.info("action=replace_network network=%s reason=It had a way out.", host.network)
        return members


def has_way_out(network: Mapping[str, Any]) -> bool:
    """Return whether what is on the network can open connections to anywhere."""
    options = network.get("Options") or {}
    return not network.get("Internal") and any(options.get(name) != value for name, value in OPTIONS.items())
