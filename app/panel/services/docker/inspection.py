"""What an inspection of a container means. Pure but for `listens`, which tries to connect."""

import socket
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from app.panel.services.docker.container_config import SERVICE, SPEC, asked_ports, is_edited, published
from app.panel.services.docker.host_container import Home
from app.panel.services.docker.problems import ContainerOutOfMemoryError
from app.panel.services.problems import ServiceEndedError
from app.panel.services.protocol import LogChunk, Observed, State
from pipeline.core.problems import ProblemError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CONNECT_S: Final = 0.5
# What a shell, and the engine's own init, end with for a program that cannot be run or is not there.
_NO_PROGRAM: Final = {126, 127}


def serves(container: Mapping[str, Any]) -> bool:
    """Whether it is up, as far as the engine knows: worth keeping until something better is known to start."""
    state = container["State"]
    is_up = bool(state["Running"]) and not state.get("Paused") and not state.get("Restarting")
    return is_up and health(container) != "unhealthy"


def health(container: Mapping[str, Any]) -> str:
    """`starting`, `healthy`, `unhealthy`, or "" without a check.

    The engine calls a container unhealthy while it is paused, without having asked it, and for a while afterwards.
    """
    found = container["State"].get("Health") or {}
    status = str(found.get("Status", ""))
    return "starting" if status == "unhealthy" and not found.get("FailingStreak") else status


def observed(
    container: Mapping[str, Any],
    home: Home,
    stats: Callable[[], Mapping[str, Any] | None] = lambda: None,
    *,
    digest: str | None = None,
) -> Observed:
    """See protocol.Observed. `stats` is called for one that runs. `digest`, unless given, is that of its spec, or "" when it was edited or paused by hand."""
    inner = container["State"]
    state, reason = _state(container, home)
    if digest is None:
        lost = state in {"running", "starting", "unhealthy"} and not asked_ports(container) <= published(container)
        is_off = is_edited(container) or lost or state == "paused"
        digest = "" if is_off else container["Config"]["Labels"].get(SPEC, "")
        reason = "It was changed by hand." if is_off and not reason else reason
    alive = state not in {"exited", "absent"}
    usage = _usage(stats() or {}) if state in {"running", "unhealthy"} else (None, None, None)
    return Observed(
        state,
        digest=digest,
        instance_id=f"{container['Id'][:12]}@{inner['StartedAt']}" if alive else container["Id"][:12],
        started_at=parse_time(inner["StartedAt"]),
        exit_code=None if alive else inner["ExitCode"],
        oom_killed=not alive and bool(inner.get("OOMKilled")),
        memory_bytes=usage[0],
        cpu_s=usage[1],
        n_processes=usage[2],
        reason=reason,
        ended=_out_of_memory(container) if not alive and inner.get("OOMKilled") else None,
    )


def end_before(container: Mapping[str, Any], events: Iterable[Mapping[str, Any]]) -> ProblemError | None:
    """How the run before the present one ended, when the engine started the container again by itself."""
    seen = {event.get("Action"): event.get("Actor", {}).get("Attributes", {}) for event in events}
    if "oom" in seen:
        return _out_of_memory(container)
    code = seen.get("die", {}).get("exitCode")
    return None if code is None else ServiceEndedError(container["Config"]["Labels"][SERVICE], f"Exit code {code}.")


def lived(container: Mapping[str, Any]) -> tuple[str, str] | None:
    """From shortly before the end of the run before the present one until its begin, as `Engine.ends` wants it."""
    state = container["State"]
    if not state["Running"] or state["FinishedAt"].startswith("0001"):
        return None
    since, until = _nanoseconds(state["FinishedAt"]) - 2 * 10**9, _nanoseconds(state["StartedAt"])
    return f"{since // 10**9}.{since % 10**9:09d}", f"{until // 10**9}.{until % 10**9:09d}"


def parse_time(text: str) -> datetime | None:
    """An engine's time, or None for "never"."""
    return None if text.startswith("0001") else _EPOCH + timedelta(microseconds=_nanoseconds(text) // 1000)


def log_chunk(text: str, after: int) -> LogChunk:
    """The lines of `text` (each with its time in front) that are later than the cursor, and the new cursor."""
    lines = []
    # Not `splitlines`: a service may write what elsewhere ends a line, and only the engine's own lines have a time.
    for line in text.split("\n"):
        stamp, _, content = line.partition(" ")
        try:
            at = _nanoseconds(stamp)
        except ValueError:
            continue
        if at > after:
            lines.append((at, content))
    lines.sort(key=lambda pair: pair[0])
    return LogChunk(tuple(content for _, content in lines), lines[-1][0] if lines else after)


def _out_of_memory(container: Mapping[str, Any]) -> ProblemError:
    return ContainerOutOfMemoryError.at_limit(container["Name"].lstrip("/"), container["HostConfig"]["Memory"])


def _state(container: Mapping[str, Any], home: Home) -> tuple[State, str]:  # noqa: PLR0911 - a table of cases
    state = container["State"]
    if state.get("Paused"):
        return "paused", "It was paused by hand."
    if state.get("Restarting") or not state["Running"]:
        if state.get("OOMKilled"):
            return "exited", _out_of_memory(container).what
        if state["Status"] == "created":
            return "exited", "It was created and never started."
        if state["ExitCode"] in _NO_PROGRAM:
            return "exited", f"The image lacks its program (exit code {state['ExitCode']})."
        return "exited", f"It ended with exit code {state['ExitCode']}. {state.get('Error', '')}".strip()
    if health(container) == "unhealthy":
        return "unhealthy", "Its health check fails."
    if health(container) == "starting" and not listens(container, home):
        return "starting", ""
    return "running", ""


def listens(container: Mapping[str, Any], home: Home) -> bool:
    """Whether something in the container accepts connections: known before the engine's next health check."""
    network = container["NetworkSettings"]["Networks"].get(home.network) or {}
    ports = container["Config"].get("ExposedPorts") or {}
    for port in ports:
        try:
            with socket.create_connection((network.get("IPAddress"), int(port.split("/")[0])), timeout=_CONNECT_S):
                return True
        except OSError:
            continue
    return False


def _usage(stats: Mapping[str, Any]) -> tuple[int | None, float | None, int | None]:
    """Memory without the file cache that would be given back, processor seconds, processes."""
    memory = stats.get("memory_stats") or {}
    cached = (memory.get("stats") or {}).get("inactive_file", (memory.get("stats") or {}).get("total_inactive_file", 0))
    used = memory.get("usage")
    total = ((stats.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage")
    return (
        None if used is None else max(0, used - cached),
        None if total is None else total / 1e9,
        (stats.get("pids_stats") or {}).get("current"),
    )


def _nanoseconds(text: str) -> int:
    """`2026-01-02T03:04:05.123456789Z` as nanoseconds since 1970; the engine drops trailing zeros."""
    whole, _, rest = text.rstrip("Z").partition(".")
    seconds = int((datetime.fromisoformat(whole).replace(tzinfo=UTC) - _EPOCH).total_seconds())
    return seconds * 10**9 + int(rest[:9].ljust(9, "0") or 0)
