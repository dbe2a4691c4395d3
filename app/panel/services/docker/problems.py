"""What the Docker engine says when it refuses, as one problem with an id: cause and one command.

Tells errors apart by status and text, because the engine sends nothing else. Imports no Docker library: anything with
`response.status_code` and a text will do. The ids are listed in `docs/errors.md`.
"""

from dataclasses import dataclass
from typing import Final

from pipeline.core.problems import ProblemError

UP: Final = "docker compose up -d"
MIN_API: Final = (1, 41)
_STARTS_LATER: Final = 503


@dataclass(frozen=True)
class Asked:
    """What was being done, for the message: the service's container, its published port and the variable behind it.

    `holder` says who has the port, as far as known; all are empty where they do not apply.
    """

    container: str = ""
    port: int = 0
    port_setting: str = ""
    holder: str = ""
    socket: str = "/var/run/docker.sock"
    socket_group: int | None = None
    address: str = ""


def problem(error: BaseException, asked: Asked | None = None) -> ProblemError:
    """The problem behind whatever talking to the engine raised; an unknown one is DOCK-08 with the engine's words."""
    asked = asked or Asked()
    if isinstance(error, ProblemError):
        return error
    text = _text(error)
    status = getattr(getattr(error, "response", None), "status_code", None)
    lowered = f"{type(error).__name__} {text}".lower()
    if status is None:
        return _unreachable(lowered, text, asked)
    return _storage(lowered, text) or _refused(status, lowered, text, asked)


def remote(address: str) -> ProblemError:
    """DOCK-04: `DOCKER_HOST` names an engine on another machine."""
    return ProblemError(
        "DOCK-04",
        f"DOCKER_HOST names an engine that is not on this machine: {address}.",
        why="The panel shares folders and 127.0.0.1 ports with its services, so it needs the engine beside it.",
        fix="Run it on the machine of that engine, or unset DOCKER_HOST.",
        command=f"env -u DOCKER_HOST {UP}",
        status=_STARTS_LATER,
    )


def too_old(engine: str, api: str) -> ProblemError:
    """DOCK-06: the engine's API is older than what the panel speaks."""
    return ProblemError(
        "DOCK-06",
        f"Docker Engine {engine} is too old: it speaks API {api}, the panel needs {MIN_API[0]}.{MIN_API[1]}.",
        why="Engines before 20.10 lack limits that the services are started with.",
        fix="Update Docker to 20.10 or newer, or run without Docker.",
        command="make run",
        status=_STARTS_LATER,
    )


def not_in_container() -> ProblemError:
    """DOCK-09: there is an engine, but the panel does not run in one of its containers."""
    return ProblemError(
        "DOCK-09",
        "The panel does not run in a container of this engine, so it cannot start its services as containers.",
        why="It takes image, network and volumes for them from its own container.",
        fix="Start it with Compose, or let it run the services as processes.",
        command=f"{UP}    # or: ML_PIPELINE_RUNTIME=process make run",
        status=_STARTS_LATER,
    )


def foreign_name(container: str) -> ProblemError:
    """NAME-01: somebody else's container has the name. It is never touched."""
    return ProblemError(
        "NAME-01",
        f"A container named {container} exists that this panel did not start.",
        why="Names are unique in an engine, and the panel touches only what carries its own label.",
        fix="Rename or remove that container; the panel then starts its own within a minute.",
        command=f"docker rename {container} {container}-old",
        status=409,
    )


def foreign_network(network: str) -> ProblemError:
    """NAME-02: a network of that name exists and is not of this project."""
    return ProblemError(
        "NAME-02",
        f"A network named {network} exists that does not belong to this project.",
        why="The services' network is made by the panel and carries its label.",
        fix="Remove that network, or choose another project name.",
        command=f"docker network rm {network}",
        status=409,
    )


def out_of_memory(container: str, limit_bytes: int) -> ProblemError:
    """DOCK-11: the kernel killed the service at its memory limit."""
    return ProblemError(
        "DOCK-11",
        f"{container} was stopped by the system: out of memory (limit {limit_bytes / 2**20:.0f} MiB).",
        why="A service may not take more than its limit, so that training and the machine stay alive.",
        fix="It is started again by itself. If this repeats, see what it was asked to do.",
        command=f"docker logs --tail 50 {container}",
        retryable=True,
        status=_STARTS_LATER,
    )


def still_there(container: str) -> ProblemError:
    """DOCK-14: the engine agreed to remove a container and has not done it yet, so its name is not free."""
    return ProblemError(
        "DOCK-14",
        f"The engine is still removing {container}.",
        why="Its disk is slow or busy, or something holds the container's files.",
        fix="The panel tries again by itself.",
        command=f"docker inspect -f '{{{{.State.Status}}}}' {container}",
        retryable=True,
        status=_STARTS_LATER,
    )


def not_starting(container: str, why: str, *, old_serves: bool) -> ProblemError:
    """SVC-01: the engine made the container, and what runs in it does not come up."""
    return ProblemError(
        "SVC-01",
        f"{container} cannot be started."
        if not old_serves
        else f"The new {container} does not start; the old one keeps serving.",
        why=why,
        fix="See what it wrote last.",
        command=f"docker logs --tail 50 {container}",
        retryable=True,
        status=_STARTS_LATER,
    )


def _text(error: BaseException) -> str:
    """The engine's own words where there are any, else the exception's."""
    explanation = getattr(error, "explanation", None)
    if isinstance(explanation, bytes):
        explanation = explanation.decode("utf-8", "replace")
    return str(explanation or error).strip()


def _unreachable(lowered: str, text: str, asked: Asked) -> ProblemError:
    offer = "Keep the line that mounts the socket in compose.yaml; or run without Docker: make run."
    user_socket = asked.address.removeprefix("unix://") if asked.address.startswith("unix:///run/user/") else ""
    if "permissionerror" in lowered or "permission denied" in lowered:
        if asked.socket_group is None:
            return ProblemError(
                "DOCK-05",
                "Access to the Docker socket is denied although its group matches.",
                why="A security module such as SELinux blocks it.",
                fix="Keep `security_opt: label=disable` of the service panel in compose.yaml and start it again.",
                command=UP,
                status=_STARTS_LATER,
            )
        return ProblemError(
            "DOCK-02",
            f"The panel may not use Docker: the socket belongs to group {asked.socket_group}.",
            why="The entrypoint takes the socket's group when the container starts; it changed since, or was not root.",
            fix="Start the panel's container anew. There is no need to open the socket to everybody.",
            command=f"{UP} --force-recreate panel",
            status=_STARTS_LATER,
        )
    if user_socket or "rootless" in asked.address:
        return ProblemError(
            "DOCK-03",
            f"This looks like rootless Docker: its socket is {user_socket or asked.address}, not the usual one.",
            why=text,
            fix="Say where the socket is; Compose mounts it at the usual place.",
            command=f"DOCKER_SOCK={user_socket or '/run/user/$(id -u)/docker.sock'} {UP}",
            status=_STARTS_LATER,
        )
    if "filenotfounderror" in lowered or "no such file" in lowered or "isadirectory" in lowered:
        return ProblemError(
            "DOCK-01",
            f"Docker is not reachable: there is no socket at {asked.socket}.",
            why="The panel starts its services through the engine's socket.",
            fix=offer,
            command=UP,
            status=_STARTS_LATER,
        )
    if "timed out" in lowered or "timeout" in lowered:
        what, why = "The Docker engine does not answer in time.", "It hangs, or the machine is overloaded."
    else:
        what, why = "The Docker engine does not answer.", f"It is stopped or just restarting ({text[:160]})."
    return ProblemError(
        "DOCK-07",
        what,
        why=why,
        fix="The panel tries again by itself; what serves keeps serving. Without Docker: make run.",
        command="docker info",
        retryable=True,
        status=_STARTS_LATER,
    )


def _storage(lowered: str, text: str) -> ProblemError | None:
    if "no space left" in lowered or "disk quota" in lowered:
        return ProblemError(
            "DOCK-10",
            "The disk that Docker writes to is full.",
            why=text[:200],
            fix="Free space: images and build caches that nothing uses are the largest part, as a rule.",
            command="docker system df && docker system prune",
            retryable=True,
            status=507,
        )
    if "cannot allocate memory" in lowered or "out of memory" in lowered:
        return ProblemError(
            "DOCK-11",
            "The machine has not enough memory to start a container.",
            why=text[:200],
            fix="Stop something else, or give Docker more memory.",
            command="docker stats --no-stream",
            retryable=True,
            status=_STARTS_LATER,
        )
    return None


def _refused(status: int, lowered: str, text: str, asked: Asked) -> ProblemError:  # noqa: PLR0911 - a table of cases
    if "port is already allocated" in lowered or "address already in use" in lowered:
        return port_taken(asked)
    if status == 409 and "already in use" in lowered:
        return foreign_name(asked.container)
    if status == 404 and "no such image" in lowered:
        return ProblemError(
            "IMG-01",
            "The image that the services are started from is missing.",
            why=text[:200],
            fix="Build it again; nothing is downloaded while the panel runs.",
            command=f"{UP} --build",
            status=_STARTS_LATER,
        )
    if any(sign in lowered for sign in ("tls handshake", "i/o timeout", "no such host", "toomanyrequests", "x509:")):
        return ProblemError(
            "NET-01",
            "The image registry cannot be reached.",
            why=f"Slow network, proxy, VPN or a limit on downloads ({text[:160]}).",
            fix="Try the build again; what is built already is not fetched twice. What serves keeps serving.",
            command="docker compose build --pull=false && " + UP,
            retryable=True,
            status=_STARTS_LATER,
        )
    if "address pool" in lowered or "networks have overlapping" in lowered:
        return ProblemError(
            "NET-02",
            "Docker has no address range left for the services' network.",
            why=text[:200],
            fix="Remove networks that nothing uses.",
            command="docker network prune",
            status=_STARTS_LATER,
        )
    if status == 400 and ("stat " in lowered or "executable file not found" in lowered or "exec" in lowered):
        return not_starting(asked.container, f"The image lacks its program: {text[:200]}", old_serves=False)
    return ProblemError(
        "DOCK-08",
        "The Docker engine refused what the panel asked for.",
        why=f"{status}: {text[:300]}",
        fix="The panel tries again by itself.",
        command="docker info",
        retryable=True,
        status=_STARTS_LATER,
    )


def port_taken(asked: Asked) -> ProblemError:
    """PORT-01, with the holder's name where it is a container."""
    other = asked.port + 10 if asked.port + 10 <= 65535 else asked.port - 10
    return ProblemError(
        "PORT-01",
        f"Port {asked.port} is used by {asked.holder or 'another program on this machine'}.",
        why=f"{asked.container} is to be found there.",
        fix=f"Stop it, or choose another port with {asked.port_setting}. The pipeline itself still works.",
        command=f"{asked.port_setting}={other} {UP}",
        retryable=True,
        status=409,
    )
