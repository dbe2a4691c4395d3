"""Problems with what the Docker engine holds: disk, memory, volumes, containers, names, images and networks."""

from app.panel.services.docker.engine_problems import UP
from app.panel.services.protocol import Volume
from pipeline.core.problems import ProblemError


class EngineDiskFullError(ProblemError):
    """The disk that Docker writes to is full.

    `docker system df` shows what takes the space: usually images and build caches that nothing uses
    (`docker system prune`).
    """

    id = "DOCK-10"
    status = 507
    retryable = True
    command = "docker system df && docker system prune"

    def __init__(self, reason: str) -> None:
        super().__init__(
            "The disk that Docker writes to is full.",
            why=reason,
            fix="Free space: usually most of it is taken by images and build caches that nothing uses.",
        )


class ContainerOutOfMemoryError(ProblemError):
    """A service is out of memory.

    The system killed a service at its memory limit, or had no memory to start one. It is restarted automatically;
    `docker logs --tail 50 ml-api` shows its last output.
    """

    id = "DOCK-11"
    status = 503
    retryable = True

    @classmethod
    def at_limit(cls, container: str, limit_bytes: int) -> "ContainerOutOfMemoryError":
        """Return the problem of a container that the kernel killed at its memory limit."""
        return cls(
            f"{container} was stopped by the system: out of memory (limit {limit_bytes / 2**20:.0f} MiB).",
            why="The limit keeps one service from taking the memory of training and of the machine.",
            fix="It is restarted automatically. If this repeats, check which requests it received.",
            command=f"docker logs --tail 50 {container}",
        )

    @classmethod
    def at_start(cls, reason: str) -> "ContainerOutOfMemoryError":
        """Return the problem of a container that the machine has no memory to start."""
        return cls(
            "The machine does not have enough memory to start a container.",
            why=reason,
            fix="Stop something else, or give Docker more memory.",
            command="docker stats --no-stream",
        )


class VolumeNotMountedError(ProblemError):
    """A volume is not mounted.

    The panel's container has nothing at `/models`, `/state/mlflow`, `/state/keys`, `/state/access` or `/state/ports`. Keep
    these lines under `volumes` of the service `panel`; a `compose.yaml` of an earlier version lacks the newer ones.
    """

    id = "DOCK-12"
    status = 503
    command = UP

    def __init__(self, volume: Volume, path: str) -> None:
        super().__init__(
            f"The panel's container has nothing mounted at {path}.",
            why=f"The services get the volume “{volume}” from there.",
            fix=f"Keep the line “{volume}:{path}” of the service panel in compose.yaml and start it again.",
        )


class LowEngineMemoryError(ProblemError):
    """Docker has little memory.

    Docker has less than 2 GiB. Training on the built-in table and the three services need about that much. Give it more
    in its settings.
    """

    id = "DOCK-13"
    command = "docker info --format '{{.MemTotal}}'"

    def __init__(self, total_bytes: int) -> None:
        super().__init__(
            f"Docker has {total_bytes / 2**30:.1f} GiB of memory.",
            why="Training on the built-in table and the three services need about 2 GiB.",
            fix="Give Docker more memory in its settings, or train on fewer rows.",
        )


class ContainerNotRemovedError(ProblemError):
    """A container is still being removed.

    The engine agreed to remove it and has not finished after 5 s: its disk is slow, or something holds the container's
    files. The panel retries automatically. If it persists, `docker rm -f NAME` says why; restarting the engine helps
    where the container is shown as `Dead`.
    """

    id = "DOCK-14"
    status = 503
    retryable = True

    def __init__(self, container: str) -> None:
        super().__init__(
            f"The engine is still removing {container}.",
            why="Its disk is slow or busy, or something holds the container's files.",
            fix="The panel retries automatically.",
            command=f"docker inspect -f '{{{{.State.Status}}}}' {container}",
        )


class ContainerNameTakenError(ProblemError):
    """A container with that name already exists.

    A container named `ml-mlflow`, `ml-api` or `ml-app` exists that this panel did not start. It is never touched.
    Rename or remove it (`docker rename ml-api ml-api-old`); the panel starts its own within a minute. A second copy of
    the project needs a name of its own: change `name:` in its `compose.yaml`, and its containers are called
    `NAME-ml-api` and so on.
    """

    id = "NAME-01"
    status = 409

    def __init__(self, container: str) -> None:
        super().__init__(
            f"A container named {container} exists that this panel did not start.",
            why="Names are unique in an engine, and the panel touches only what carries its own label.",
            fix="Rename or remove that container; the panel then starts its own within a minute.",
            command=f"docker rename {container} {container}-old",
        )


class NetworkNameTakenError(ProblemError):
    """A network with that name already exists.

    The network of the services, `automated-ml-pipeline_serving`, exists without the labels of this project. Remove it:
    `docker network rm automated-ml-pipeline_serving`.
    """

    id = "NAME-02"
    status = 409

    def __init__(self, network: str) -> None:
        super().__init__(
            f"A network named {network} exists that does not belong to this project.",
            why="The services' network is created by the panel and carries its label.",
            fix="Remove that network, or choose another project name.",
            command=f"docker network rm {network}",
        )


class NetworkNotReplacedError(ProblemError):
    """The services' network has a way out.

    Earlier versions made a network from which the services could reach every address; the panel replaces it when it
    starts. It left this one alone because a container that is not its own is connected to it, or because the engine
    refused. Take that container off the network, then restart the panel: `docker compose restart panel`.
    """

    id = "NET-03"
    command = "docker compose restart panel"

    def __init__(self, network: str, container: str = "", reason: str = "") -> None:
        super().__init__(
            f"From the network {network} the services can reach addresses outside.",
            why=f"It was made by an earlier version and could not be replaced: {reason or f'{container} is connected to it'}.",
            fix=f"Take it off (docker network disconnect {network} {container or 'CONTAINER'}), then restart the panel.",
        )


class ImageMissingError(ProblemError):
    """The image is missing.

    The image that the panel itself runs from was removed by force while it ran. Nothing is downloaded or built while
    the panel runs; build it again: `docker compose up -d --build`.
    """

    id = "IMG-01"
    status = 503
    command = f"{UP} --build"

    def __init__(self, reason: str) -> None:
        super().__init__(
            "The image that the services are started from is missing.",
            why=reason,
            fix="Build it again; nothing is downloaded while the panel runs.",
        )


class RegistryUnreachableError(ProblemError):
    """The image registry cannot be reached.

    An image could not be downloaded: `TLS handshake timeout`, a name that does not resolve, a certificate that is not
    trusted, or a limit on downloads. Only building needs the network; running does not. Try `docker compose build`
    again: finished steps are cached. Behind a proxy, configure the proxy in the engine too; a private certificate
    authority or a mirror belongs in the base image's `pip.conf`, and `BASE=...` selects another base image.
    """

    id = "NET-01"
    status = 503
    retryable = True
    command = f"docker compose build --pull=false && {UP}"

    def __init__(self, reason: str) -> None:
        super().__init__(
            "The image registry cannot be reached.",
            why=f"Slow network, proxy, VPN or a limit on downloads ({reason}).",
            fix="Try the build again; finished steps are cached. Running services are not affected.",
        )


class NoAddressRangeError(ProblemError):
    """Docker has no address range left.

    Docker has no range left for another network, usually because old projects left theirs behind:
    `docker network prune`.
    """

    id = "NET-02"
    status = 503
    command = "docker network prune"

    def __init__(self, reason: str) -> None:
        super().__init__(
            "Docker has no address range left for the services' network.",
            why=reason,
            fix="Remove networks that nothing uses.",
        )
