"""The panel's own container: its image, project, volumes and user, read from an inspection of itself.

Pure but for `own_container_id`; the containers of the services are created from this (`container_config`).
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from app.panel.services.protocol import ServiceName, Volume
from pipeline.core.product import NAME

PROJECT: Final = NAME
SOCKET: Final = "/var/run/docker.sock"  # of the engine, where compose.yaml mounts it
MODELS: Final = "/models"
MLFLOW: Final = "/state/mlflow"
KEYS: Final = "/state/keys"
ACCESS: Final = "/state/access"
PORTS: Final = "/state/ports"
PATHS: Final[Mapping[Volume, str]] = {
    "models": MODELS,
    "mlflow": MLFLOW,
    "keys": KEYS,
    "access": ACCESS,
    "ports": PORTS,
}
_CONTAINER = re.compile(r"/containers/([0-9a-f]{64})/")
_COMPOSE = "com.docker.compose."
_PASSED_ON = ("project", "project.config_files", "project.working_dir", "version")


@dataclass(frozen=True)
class HostContainer:
    """The container that hosts the panel, and what services share with it.

    `sources` says what to mount for a volume: the name of a named volume or an absolute folder. `compose_labels` make
    Compose see services as its own (`docker compose ps`). `container_id` is the panel's, "" where it runs outside. `loopback`
    are the loopback addresses on which the engine can publish.
    """

    image: str
    project: str
    sources: Mapping[Volume, str]
    user: str
    compose_labels: Mapping[str, str]
    cpus: float
    container_id: str = ""
    loopback: tuple[str, ...] = ("127.0.0.1",)

    @classmethod
    def from_inspect(cls, inspected: Mapping[str, Any], *, cpus: float) -> Self:
        """Return what `inspect` of the panel's own container says. A volume that is not mounted is left out of `sources`."""
        labels: Mapping[str, str] = inspected["Config"].get("Labels") or {}
        mounts = {mount["Destination"]: mount for mount in inspected["Mounts"]}
        sources: dict[Volume, str] = {}
        for volume, path in PATHS.items():
            mount = mounts.get(path)
            if mount is not None:
                sources[volume] = mount["Name"] if mount["Type"] == "volume" else mount["Source"]
        return cls(
            image=inspected["Image"],
            project=labels.get(f"{_COMPOSE}project", PROJECT),
            sources=sources,
            user=f"{os.getuid()}:{os.getgid()}",
            compose_labels={
                f"{_COMPOSE}{key}": labels[f"{_COMPOSE}{key}"] for key in _PASSED_ON if f"{_COMPOSE}{key}" in labels
            },
            cpus=cpus,
            container_id=inspected["Id"],
            loopback=_loopback(published_addresses(inspected) or ()),
        )

    @property
    def network(self) -> str:
        """Return the network of the services, which the panel joins."""
        return f"{self.project}_serving"

    def publish_on(self, address: str) -> tuple[str, ...]:
        """Return where a service is published: `address`, and loopback, as far as that is not part of it."""
        covered = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - compared, not bound
        return (address, *(each for each in self.loopback if each != covered))

    def service_container(self, name: ServiceName) -> str:
        """Return `ml-api` and so on; a project with a name of its own has containers with names of their own."""
        return f"ml-{name}" if self.project == PROJECT else f"{self.project}-ml-{name}"

    def keeper_container(self, name: ServiceName) -> str:
        """Return `ml-api-port`: the keeper of a service's port, and the name by which others reach the service."""
        return f"{self.service_container(name)}-port"


def _loopback(addresses: Iterable[str]) -> tuple[str, ...]:
    """Return 127.0.0.1, and ::1 where the panel is published there, so that the engine can."""
    return ("127.0.0.1", "::1") if "::1" in addresses else ("127.0.0.1",)


def published_addresses(inspected: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the addresses of the machine on which a container's ports are published; None where that cannot be said."""
    config = inspected.get("HostConfig", {})
    mode = config.get("NetworkMode", "")
    if mode.startswith("container:"):
        return None
    if mode == "host" or config.get("PublishAllPorts"):
        return ("0.0.0.0",)  # noqa: S104 - compared, not bound
    bindings = (config.get("PortBindings") or {}).values()
    return tuple(each.get("HostIp") or "0.0.0.0" for of_port in bindings for each in of_port or [])  # noqa: S104


def own_container_id(mountinfo: Path = Path("/proc/self/mountinfo")) -> str:
    """Return the id of the container that this process is in, or "": the files that an engine mounts over name it."""
    try:
        text = mountinfo.read_text("utf-8", "replace")
    except OSError:
        return ""
    for line in text.splitlines():
        if line.split()[4:5] in (["/etc/hostname"], ["/etc/hosts"], ["/etc/resolv.conf"]):
            match = _CONTAINER.search(line)
            if match:
                return match.group(1)
    return ""
