"""Where the panel's own container lives: its image, project, volumes and user, read off an inspection of itself.

Pure but for `own_container_id`; the siblings are made from what is found here (`docker_bodies`).
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.panel.services.protocol import ServiceName, Volume
from pipeline.core.product import NAME

PROJECT: Final = NAME
MODELS: Final = "/models"
MLFLOW: Final = "/state/mlflow"
PATHS: Final[Mapping[Volume, str]] = {"models": MODELS, "mlflow": MLFLOW}
_CONTAINER = re.compile(r"/containers/([0-9a-f]{64})/")
_COMPOSE = "com.docker.compose."
_PASSED_ON = ("project", "project.config_files", "project.working_dir", "version")


@dataclass(frozen=True)
class Home:
    """What siblings share with the panel.

    `sources` says what to mount for a volume: the name of a named volume or an absolute folder. `compose_labels` make
    Compose see siblings as its own (`docker compose ps`). `container_id` is the panel's, "" where it runs outside.
    """

    image: str
    project: str
    sources: Mapping[Volume, str]
    user: str
    compose_labels: Mapping[str, str]
    cpus: float
    container_id: str = ""

    @property
    def network(self) -> str:
        """The network of the siblings, which the panel joins."""
        return f"{self.project}_serving"

    def container(self, name: ServiceName) -> str:
        """`ml-api` and so on; a project with a name of its own has containers with names of their own."""
        return f"ml-{name}" if self.project == PROJECT else f"{self.project}-ml-{name}"


def own_container_id(mountinfo: Path = Path("/proc/self/mountinfo")) -> str:
    """The id of the container that this process is in, or "": the files that an engine mounts over name it."""
    try:
        text = mountinfo.read_text("utf-8", "replace")
    except OSError:
        return ""
    for line in text.splitlines():
        if line.split()[4:5] in (["/etc/hostname"], ["/etc/hosts"], ["/etc/resolv.conf"]):
            found = _CONTAINER.search(line)
            if found:
                return found.group(1)
    return ""


def home_of(inspected: Mapping[str, Any], *, cpus: float) -> Home:
    """What `inspect` of the panel's own container says. A volume that is not mounted is left out of `sources`."""
    labels: Mapping[str, str] = inspected["Config"].get("Labels") or {}
    mounts = {mount["Destination"]: mount for mount in inspected["Mounts"]}
    sources: dict[Volume, str] = {}
    for volume, path in PATHS.items():
        mount = mounts.get(path)
        if mount is not None:
            sources[volume] = mount["Name"] if mount["Type"] == "volume" else mount["Source"]
    return Home(
        image=inspected["Image"],
        project=labels.get(f"{_COMPOSE}project", PROJECT),
        sources=sources,
        user=f"{os.getuid()}:{os.getgid()}",
        compose_labels={
            f"{_COMPOSE}{key}": labels[f"{_COMPOSE}{key}"] for key in _PASSED_ON if f"{_COMPOSE}{key}" in labels
        },
        cpus=cpus,
        container_id=inspected["Id"],
    )
