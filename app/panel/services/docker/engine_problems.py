"""Problems with the Docker engine itself: not there, not ours to use, not the right one, or refusing."""

from typing import Final, Literal

from pipeline.core.problems import ProblemError

UP: Final = "docker compose up -d"
MIN_API: Final = (1, 41)
Found = Literal[
    "", "nothing", "a folder", "a file"
]  # where the engine's socket should be; "": the socket, or not known


class EngineSocketMissingError(ProblemError):
    """There is no Docker socket.

    What the panel's container has in its place is said: nothing, where `compose.yaml` no longer mounts it; a folder or a
    file, where `DOCKER_SOCK` names something else than the engine's socket. An engine makes a folder where it is to mount
    a path that does not exist; `compose.yaml` forbids that, but Docker Desktop and podman-compose do it all the same. Remove
    the empty folder, set `DOCKER_SOCK` to what `docker context inspect` shows, and `docker compose up -d`. On macOS and with
    Colima leave `DOCKER_SOCK` unset: the usual path is looked up inside Docker's own machine.
    """

    id = "DOCK-01"
    status = 503

    def __init__(self, socket: str, found: Found = "nothing", source: str = "") -> None:
        if found in {"", "nothing"}:
            super().__init__(
                f"Docker is not reachable: there is nothing at {socket}.",
                why="The panel starts its services through the engine's socket, which compose.yaml mounts there.",
                fix="Keep the lines that mount DOCKER_SOCK in compose.yaml; or run without Docker: make run.",
                command=UP,
            )
            return
        where = f"DOCKER_SOCK names {source}, which is {found}" if source else f"{found} is at {socket}"
        made = " Engines make an empty one where the path does not exist." if found == "a folder" else ""
        super().__init__(
            f"Docker is not reachable: {where} and no socket.",
            why=f"The panel starts its services through the engine's socket.{made}",
            fix="Set DOCKER_SOCK to where the engine's socket is, which the command shows, without “unix://”"
            + (", and remove that folder." if found == "a folder" else ".")
            + " Then start it again.",
            command="docker context inspect -f '{{.Endpoints.docker.Host}}'",
        )


class EngineAccessDeniedError(ProblemError):
    """The panel may not use the Docker socket.

    The socket belongs to a group that the panel is not in. The entrypoint takes the socket's group whenever the
    container starts, so recreate it: `docker compose up -d --force-recreate panel`. There is no need to open the socket
    to everybody.
    """

    id = "DOCK-02"
    status = 503
    command = f"{UP} --force-recreate panel"

    def __init__(self, socket_group: int, source: str = "") -> None:
        socket = f"the socket that DOCKER_SOCK names, {source}," if source else "the socket"
        super().__init__(
            f"The panel may not use Docker: {socket} belongs to group {socket_group}.",
            why="The entrypoint takes the socket's group when the container starts; it changed since, or was not root.",
            fix="Recreate the panel's container. There is no need to open the socket to everybody.",
        )


class RootlessEngineError(ProblemError):
    """The engine is rootless.

    `DOCKER_HOST` points to a socket of your own user. Set `DOCKER_SOCK` to its path and Compose mounts it:
    `DOCKER_SOCK=/run/user/1000/docker.sock docker compose up -d`.
    """

    id = "DOCK-03"
    status = 503

    def __init__(self, address: str, reason: str) -> None:
        socket = address.removeprefix("unix://") if address.startswith("unix:///run/user/") else ""
        super().__init__(
            f"This looks like rootless Docker: its socket is {socket or address}, not the usual one.",
            why=reason,
            fix="Set DOCKER_SOCK to its path; Compose mounts it at the usual place.",
            command=f"DOCKER_SOCK={socket or '/run/user/$(id -u)/docker.sock'} {UP}",
        )


class RemoteEngineError(ProblemError):
    """The engine is on another machine.

    `DOCKER_HOST` is a `tcp://` or `ssh://` address. The panel shares folders and loopback ports with its services and
    needs the engine on the same machine. Run it there, or unset `DOCKER_HOST`.
    """

    id = "DOCK-04"
    status = 503
    command = f"env -u DOCKER_HOST {UP}"

    def __init__(self, address: str) -> None:
        super().__init__(
            f"DOCKER_HOST names an engine that is not on this machine: {address}.",
            why="The panel shares folders and loopback ports with its services, so the engine must be local.",
            fix="Run it on the machine of that engine, or unset DOCKER_HOST.",
        )


class EngineBlockedError(ProblemError):
    """A security module blocks the Docker socket.

    The group matches and access is denied all the same: usually by SELinux. Keep `label=disable` under `security_opt`
    of the service `panel`.
    """

    id = "DOCK-05"
    status = 503
    command = UP

    def __init__(self) -> None:
        super().__init__(
            "Access to the Docker socket is denied although its group matches.",
            why="A security module such as SELinux blocks it.",
            fix="Keep “security_opt: label=disable” of the service panel in compose.yaml and start it again.",
        )


class EngineTooOldError(ProblemError):
    """The engine is too old.

    Docker Engine 20.10 (API 1.41) or newer is needed; older ones lack limits that the services are started with. Update
    it, or `make run`.
    """

    id = "DOCK-06"
    status = 503
    command = "make run"

    def __init__(self, engine_version: str, api_version: str) -> None:
        super().__init__(
            f"Docker Engine {engine_version} is too old: it supports API {api_version}, "
            f"but the panel needs {MIN_API[0]}.{MIN_API[1]}.",
            why="Engines before 20.10 lack limits that the services are started with.",
            fix="Update Docker to 20.10 or newer, or run without Docker.",
        )


class EngineNotRespondingError(ProblemError):
    """The engine does not respond.

    It is stopped, restarting or hanging, or sent an invalid response. The panel retries automatically every few
    seconds; no action is needed once `docker info` works.
    """

    id = "DOCK-07"
    status = 503
    retryable = True
    command = "docker info"

    def __init__(self, reason: str, *, timed_out: bool, source: str = "") -> None:
        engine = f"The Docker engine behind DOCKER_SOCK, {source}," if source else "The Docker engine"
        super().__init__(
            f"{engine} does not respond in time." if timed_out else f"{engine} does not respond.",
            why="It hangs, or the machine is overloaded." if timed_out else f"It is stopped or restarting ({reason}).",
            fix="The panel retries automatically; running services are not affected. Without Docker: make run.",
        )


class EngineRefusedError(ProblemError):
    """The engine refused a request.

    The message quotes the engine's reason. The panel retries automatically; if the problem persists, start from that
    reason.
    """

    id = "DOCK-08"
    status = 503
    retryable = True
    command = "docker info"

    def __init__(self, http_status: int, reason: str) -> None:
        super().__init__(
            "The Docker engine refused the panel's request.",
            why=f"{http_status}: {reason}",
            fix="The panel retries automatically.",
        )


class NotInContainerError(ProblemError):
    """The panel is not in a container of this engine.

    `ML_PIPELINE_RUNTIME=docker` was set for a panel that runs as a process. It takes the image, network and volumes for
    its services from its own container. Start it with `docker compose up -d`, or use `ML_PIPELINE_RUNTIME=process`.
    """

    id = "DOCK-09"
    status = 503
    command = f"{UP}    # or: ML_PIPELINE_RUNTIME=process make run"

    def __init__(self) -> None:
        super().__init__(
            "The panel does not run in a container of this engine, so it cannot start its services as containers.",
            why="It takes the image, network and volumes for them from its own container.",
            fix="Start it with Compose, or let it run the services as processes.",
        )


class PodmanEngineError(ProblemError):
    """The engine is Podman.

    It answers the same requests and does not do all of what they ask for (tried with 4.3.1): services can reach addresses
    outside, because Podman translates addresses whatever the network says; they do not find each other by name, so that
    the app cannot ask the API; and without systemd nothing runs health checks, so that no service is ever replaced. Use Docker
    Engine, or run without Docker: `make run`.
    """

    id = "DOCK-15"
    command = "make run"

    def __init__(self) -> None:
        super().__init__(
            "The engine is Podman, which is not supported.",
            why="It does not do all that services rely on: they have a way out and do not find each other by name.",
            fix="Use Docker Engine, or run without Docker.",
        )
