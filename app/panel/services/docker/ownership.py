"""Tells which containers are ours, which of them is the live one, and if that is what its spec says. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from app.panel.services.docker import container_config
from app.panel.services.docker.host_container import HostContainer
from app.panel.services.docker.inspection import is_serving
from app.panel.services.protocol import ServiceName, ServiceSpec


def is_ours(container: Mapping[str, Any], host: HostContainer, name: ServiceName | None = None) -> bool:
    """Return whether the container is of this panel, and of the service `name` where one is given."""
    labels = container["Config"].get("Labels") or {}
    return container_config.owner_labels(host, name).items() <= labels.items()


def find_live(ours: Iterable[dict[str, Any]], host: HostContainer, name: ServiceName) -> dict[str, Any] | None:
    """Return the one with the name; else the one that lost it (renamed manually, or the panel died in a replacement)."""
    unfinished = {container_config.container_name(host, name, role) for role in ("canary", "next")}
    finished = [container for container in ours if container["Name"].lstrip("/") not in unfinished]
    live_name = "/" + host.service_container(name)
    return min(finished, key=lambda c: (not is_serving(c), c["Name"] != live_name), default=None)


def is_as_specified(live: Mapping[str, Any], spec: ServiceSpec) -> bool:
    """Return whether the container runs, is what `spec` says and has all its ports."""
    state = live["State"]
    return (
        live["Config"]["Labels"].get(container_config.SPEC) == spec.digest
        and not container_config.is_modified(live)
        and bool(state["Running"])
        and not state.get("Restarting")
        and container_config.configured_ports(live) <= container_config.published_ports(live)
    )
