"""Turns what the Docker engine says when it refuses into one problem with an id: cause and one command.

Tells errors apart by status and text, because the engine sends nothing else. Imports no Docker library: anything with
`response.status_code` and a text will do.
"""

from dataclasses import dataclass

from app.panel.services.docker import engine_problems, problems
from app.panel.services.docker.engine_problems import Found
from app.panel.services.docker.host_container import SOCKET
from app.panel.services.problems import PortTakenError, ServiceStartError
from pipeline.core.problems import ProblemError


@dataclass(frozen=True)
class ErrorContext:
    """The context of an engine's error, for the message: the container, its published port and the variable behind it.

    `holder` says who has the port, as far as known; `found` what is where the socket should be, `socket_source` which path
    of the machine the user has named for it. All are empty where they do not apply.
    """

    container: str = ""
    port: int = 0
    port_setting: str = ""
    holder: str = ""
    socket: str = SOCKET
    socket_source: str = ""
    found: Found = ""
    socket_group: int | None = None
    address: str = ""


def to_problem(error: BaseException, context: ErrorContext | None = None) -> ProblemError:
    """Return the problem behind whatever talking to the engine raised; an unknown one is DOCK-08 with its own words."""
    context = context or ErrorContext()
    if isinstance(error, ProblemError):
        return error
    text = _text(error)
    status = getattr(getattr(error, "response", None), "status_code", None)
    lowered = f"{type(error).__name__} {text}".lower()
    if status is None:
        return _unreachable(lowered, text, context)
    return _storage(lowered, text) or _refused(status, lowered, text, context)


def port_taken(context: ErrorContext) -> PortTakenError:
    """Return PORT-01, with the holder's name where it is a container."""
    return PortTakenError(
        context.port,
        context.port_setting,
        holder=context.holder or "another program on this machine",
        free_port=context.port + 10 if context.port + 10 <= 65535 else context.port - 10,
        container=context.container,
    )


def _text(error: BaseException) -> str:
    """Return the engine's own words where there are any, else the exception's."""
    explanation = getattr(error, "explanation", None)
    if isinstance(explanation, bytes):
        explanation = explanation.decode("utf-8", "replace")
    return str(explanation or error).strip()


def _unreachable(lowered: str, text: str, context: ErrorContext) -> ProblemError:
    if "permissionerror" in lowered or "permission denied" in lowered:
        if context.socket_group is None:
            return engine_problems.EngineBlockedError()
        return engine_problems.EngineAccessDeniedError(context.socket_group, context.socket_source)
    if context.address.startswith("unix:///run/user/") or "rootless" in context.address:
        return engine_problems.RootlessEngineError(context.address, text)
    if "filenotfounderror" in lowered or "no such file" in lowered or "isadirectory" in lowered:
        return engine_problems.EngineSocketMissingError(context.socket, context.found, context.socket_source)
    timed_out = "timed out" in lowered or "timeout" in lowered
    return engine_problems.EngineNotRespondingError(text[:160], timed_out=timed_out, source=context.socket_source)


def _storage(lowered: str, text: str) -> ProblemError | None:
    if "no space left" in lowered or "disk quota" in lowered:
        return problems.EngineDiskFullError(text[:200])
    if "cannot allocate memory" in lowered or "out of memory" in lowered:
        return problems.ContainerOutOfMemoryError.at_start(text[:200])
    return None


def _refused(status: int, lowered: str, text: str, context: ErrorContext) -> ProblemError:  # noqa: PLR0911 - a table of cases
    if "port is already allocated" in lowered or "address already in use" in lowered:
        return port_taken(context)
    if status == 409 and "already in use" in lowered:
        return problems.ContainerNameTakenError(context.container)
    if status == 404 and "no such image" in lowered:
        return problems.ImageMissingError(text[:200])
    if any(sign in lowered for sign in ("tls handshake", "i/o timeout", "no such host", "toomanyrequests", "x509:")):
        return problems.RegistryUnreachableError(text[:160])
    if "address pool" in lowered or "networks have overlapping" in lowered:
        return problems.NoAddressRangeError(text[:200])
    if status == 400 and ("stat " in lowered or "executable file not found" in lowered or "exec" in lowered):
        reason = f"The image lacks its program: {text[:200]}"
        return ServiceStartError.of_container(context.container, reason, old_serves=False)
    return engine_problems.EngineRefusedError(status, text[:300])
