"""Interprets the inspection of a container. Pure but for `is_listening`, which tries to connect."""

import socket
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from app.panel.services.docker.container_config import SERVICE, SPEC, configured_ports, is_modified, published_ports
from app.panel.services.docker.host_container import HostContainer
from app.panel.services.docker.problems import ContainerOutOfMemoryError
from app.panel.services.problems import ServiceEndedError
from app.panel.services.protocol import LogChunk, Observed, State
from pipeline.core.problems import ProblemError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CONNECT_S: Final = 0.5
# What a shell, and the engine's own init, end with for a program that cannot be run or is not there.
_NO_PROGRAM: Final = {126, 127}


def is_serving(container: Mapping[str, Any]) -> bool:
    """Return whether it is up, as far as the engine knows: worth keeping until something better is known to start."""
    state = container["State"]
    is_up = bool(state["Running"]) and not state.get("Paused") and not state.get("Restarting")
    return is_up and health_status(container) != "unhealthy"


def health_status(container: Mapping[str, Any]) -> str:
    """Return `starting`, `healthy`, `unhealthy`, or "" without a check.

    The engine calls a container unhealthy while it is paused, without having checked it, and for a while afterwards.
    """
    check = container["State"].get("Health") or {}
    status = str(check.get("Status", ""))
    return "starting" if status == "unhealthy" and not check.get("FailingStreak") else status


def observe(
    container: Mapping[str, Any],
    host: HostContainer,
    stats: Callable[[], Mapping[str, Any] | None] = lambda: None,
    *,
    digest: str | None = None,
) -> Observed:
    """Return the container as observed. `stats` is called for one that runs. `digest`, unless given, is that of its spec, or "" when it was edited or paused manually."""
    inner = container["State"]
    state, reason = _state(container, host)
    if digest is None:
        lost = state in {"running", "starting", "unhealthy"} and not configured_ports(container) <= published_ports(
            container
        )
        differs = is_modified(container) or lost or state == "paused"
        digest = "" if differs else container["Config"]["Labels"].get(SPEC, "")
        reason = "Modified manually." if differs and not reason else reason
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


def previous_exit(container: Mapping[str, Any], events: Iterable[Mapping[str, Any]]) -> ProblemError | None:
    """Return how the run before the present one ended, when the engine restarted the container by itself."""
    attributes = {event.get("Action"): event.get("Actor", {}).get("Attributes", {}) for event in events}
    if "oom" in attributes:
        return _out_of_memory(container)
    code = attributes.get("die", {}).get("exitCode")
    return None if code is None else ServiceEndedError(container["Config"]["Labels"][SERVICE], f"Exit code {code}.")


def previous_run_window(container: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the time from shortly before the end of the previous run until the present one, for `Engine.exit_events`."""
    state = container["State"]
    if not state["Running"] or state["FinishedAt"].startswith("0001"):
        return None
    since, until = _nanoseconds(state["FinishedAt"]) - 2 * 10**9, _nanoseconds(state["StartedAt"])
    return f"{since // 10**9}.{since % 10**9:09d}", f"{until // 10**9}.{until % 10**9:09d}"


def parse_time(text: str) -> datetime | None:
    """Return an engine's time, or None for "never"."""
    return None if text.startswith("0001") else _EPOCH + timedelta(microseconds=_nanoseconds(text) // 1000)


def parse_log(text: str, after: int) -> LogChunk:
    """Return the lines of `text` (each with its time in front) that are later than the cursor, and the new cursor."""
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


def _state(container: Mapping[str, Any], host: HostContainer) -> tuple[State, str]:  # noqa: PLR0911 - a table of cases
    state = container["State"]
    if state.get("Paused"):
        return "paused", "Paused manually."
    if state.get("Restarting") or not state["Running"]:
        if state.get("OOMKilled"):
            return "exited", _out_of_memory(container).what
        if state["Status"] == "created":
            return "exited", "Created and never started."
        if state["ExitCode"] in _NO_PROGRAM:
            return "exited", f"The image lacks its program (exit code {state['ExitCode']})."
        return "exited", f"Ended with exit code {state['ExitCode']}. {state.get('Error', '')}".strip()
    if health_status(container) == "unhealthy":
        return "unhealthy", "Its health check fails."
    if health_status(container) == "starting" and not is_listening(container, host):
        return "starting", ""
    return "running", ""


def is_listening(container: Mapping[str, Any], host: HostContainer) -> bool:
    """Return whether something in the container accepts connections: known before the engine's next health check."""
    network = container["NetworkSettings"]["Networks"].get(host.network) or {}
    ports = container["Config"].get("ExposedPorts") or {}
    for port in ports:
        try:
            with socket.create_connection((network.get("IPAddress"), int(port.split("/")[0])), timeout=_CONNECT_S):
                return True
        except OSError:
            continue
    return False


def _usage(stats: Mapping[str, Any]) -> tuple[int | None, float | None, int | None]:
    """Return memory without the file cache that would be given back, CPU seconds, processes."""
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
    """Return `2026-01-02T03:04:05.123456789Z` as nanoseconds since 1970; the engine drops trailing zeros."""
    whole, _, rest = text.rstrip("Z").partition(".")
    seconds = int((datetime.fromisoformat(whole).replace(tzinfo=UTC) - _EPOCH).total_seconds())
    return seconds * 10**9 + int(rest[:9].ljust(9, "0") or 0)
