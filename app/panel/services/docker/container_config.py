"""The request that creates the container of a service: pure, constant but for the spec, so that a test can read all of it.

No request of a user reaches these bodies: they hold constants, settings and what the panel's own container has.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, Final, Literal

from app.panel.services.docker.host_container import HostContainer
from app.panel.services.protocol import ServiceName, ServiceSpec
from app.panel.services.specs import KEEPER_SETTING
from pipeline.core.product import NAME

OWNER: Final = f"{NAME}.owner"
SERVICE: Final = f"{NAME}.service"
SPEC: Final = f"{NAME}.spec"
FINGERPRINT: Final = f"{NAME}.content"
PORT_KEPT: Final = f"{NAME}.port-kept"
# SELinux, where the engine uses it: without it, containers cannot connect to each other's Unix sockets.
SAME_LEVEL: Final = ["label=level:s0:c100,c200"]
STOP_GRACE_S: Final = 10
# The supervisor probes each service itself, every second; this one is for the time when there is no panel.
HEALTH_EVERY_S: Final = 10
_SECOND_NS: Final = 10**9
# live: the service. canary: a copy without a name in the network, to see whether it comes up. next, previous: the two
# sides of a replacement.
Role = Literal["live", "canary", "next", "previous"]


def owner_labels(host: HostContainer, name: ServiceName | None = None) -> dict[str, str]:
    """Return the labels by which the panel knows its own containers, all or those of one service."""
    return {OWNER: host.project, **({SERVICE: name} if name else {})}


def keeper_labels(host: HostContainer, name: ServiceName) -> dict[str, str]:
    """Return the labels of the keeper of a service's port. It is no container of the service itself."""
    return {OWNER: host.project, SERVICE: f"{name}-port"}


def container_name(host: HostContainer, name: ServiceName, role: Role) -> str:
    """Return the name of the service's container in this role."""
    return host.service_container(name) if role == "live" else f"{host.service_container(name)}-{role}"


def create_request(
    spec: ServiceSpec, host: HostContainer, *, role: Role = "live", publish: bool = True
) -> dict[str, Any]:
    """Return the whole request. A canary has no alias, no restart and a quick health check; `publish` its port or not.

    Where a keeper has the port, nothing is published, and a canary does not know of the keeper: it is not to serve.
    """
    is_canary = role == "canary"
    env = {key: value for key, value in spec.env.items() if not (is_canary and key == KEEPER_SETTING)}
    mounts = [mount for mount in spec.mounts if not (is_canary and mount.volume == "ports")]
    port = f"{spec.listen_port}/tcp"
    request: dict[str, Any] = {
        "Image": host.image,
        "Entrypoint": [spec.argv[0]],
        "Cmd": list(spec.argv[1:]),
        "Env": [f"{key}={value}" for key, value in sorted(env.items())],
        "User": spec.user,
        "StopTimeout": STOP_GRACE_S,
        "ExposedPorts": {port: {}},
        "Healthcheck": {
            "Test": ["CMD", "bash", "/srv/container/health.sh", str(spec.listen_port), spec.ready_path],
            "Interval": (1 if is_canary else HEALTH_EVERY_S) * _SECOND_NS,
            "Timeout": 5 * _SECOND_NS,
            "StartPeriod": math.ceil(spec.start_s) * _SECOND_NS,
            "Retries": 3,
        },
        "HostConfig": {
            "NetworkMode": host.network,
            # The engine answers for names on the network; for all others it would ask a name server on the service's
            # behalf, which is a way out. Nobody listens here.
            "Dns": ["127.0.0.1"],
            "PortBindings": {port: [{"HostIp": ip, "HostPort": str(spec.port)} for ip in spec.publish_on]}
            if publish and not spec.is_port_kept
            else {},
            "RestartPolicy": {"Name": "no" if is_canary else "unless-stopped", "MaximumRetryCount": 0},
            "Memory": spec.memory_bytes,
            "MemorySwap": spec.memory_bytes,
            "NanoCpus": int(min(spec.cpus, host.cpus) * _SECOND_NS),
            "PidsLimit": spec.pids,
            "ReadonlyRootfs": True,
            "Tmpfs": {"/tmp": "rw,noexec,nosuid,nodev,size=256m,mode=1777"},  # noqa: S108 - the container's own
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges:true", *(SAME_LEVEL if spec.is_port_kept else [])],
            "Privileged": False,
            "Init": True,
            "Mounts": [_mount(m.source, m.path, read_only=m.read_only) for m in mounts],
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
        },
        "NetworkingConfig": {
            # By the keeper's name others reach whichever container serves.
            "EndpointsConfig": {
                host.network: {"Aliases": [] if is_canary or spec.is_port_kept else [host.service_container(spec.name)]}
            }
        },
    }
    request["Labels"] = {
        **host.compose_labels,
        "com.docker.compose.service": spec.name,
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.container-number": "1",
        "com.docker.compose.config-hash": spec.digest,
        **owner_labels(host, spec.name),
        SPEC: spec.digest,
        **({PORT_KEPT: "true"} if spec.is_port_kept else {}),
        FINGERPRINT: fingerprint(request),
    }
    return request


def fingerprint(container: Mapping[str, Any]) -> str:
    """Return a digest of what can be edited on a container, or matters for safety: equal for a request and its inspection.

    It is written into a label at creation; a container with another one was edited manually.
    """
    config = container.get("Config", container)
    host = container["HostConfig"]
    networks = container.get("NetworkSettings", {}).get("Networks")
    if networks is None:
        networks = container["NetworkingConfig"]["EndpointsConfig"]
    mounts = [(m["Source"], m["Target"], bool(m.get("ReadOnly"))) for m in host.get("Mounts") or []]
    facts = {
        "image": container["Image"],
        "command": [config["Entrypoint"], config["Cmd"], config["User"]],
        "limits": [host["Memory"], host["MemorySwap"], host["NanoCpus"], host["PidsLimit"]],
        "restart": host["RestartPolicy"]["Name"],
        "ports": host["PortBindings"] or {},
        "safety": [host["ReadonlyRootfs"], host["Privileged"], host["CapDrop"], host["SecurityOpt"]],
        "granted": [host.get(name) or [] for name in ("CapAdd", "Devices", "PidMode", "UsernsMode", "GroupAdd")],
        "mounts": [sorted(mounts), host.get("Binds") or [], sorted((host.get("Tmpfs") or {}).items())],
        "networks": [sorted(networks), host.get("Dns") or []],
    }
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def is_modified(inspected: Mapping[str, Any]) -> bool:
    """Return whether the container is not what was created."""
    return bool(inspected["Config"]["Labels"].get(FINGERPRINT) != fingerprint(inspected))


def is_port_kept(inspected: Mapping[str, Any]) -> bool:
    """Return whether a keeper has its port."""
    return PORT_KEPT in inspected["Config"]["Labels"]


def published_ports(inspected: Mapping[str, Any]) -> set[int]:
    """Return the ports of this machine that really lead into it now."""
    ports = inspected["NetworkSettings"].get("Ports") or {}
    return {int(binding["HostPort"]) for bindings in ports.values() for binding in bindings or []}


def configured_ports(inspected: Mapping[str, Any]) -> set[int]:
    """Return the ports that it was created with."""
    bindings = inspected["HostConfig"].get("PortBindings") or {}
    return {int(b["HostPort"]) for of_port in bindings.values() for b in of_port or [] if b.get("HostPort")}


def _mount(source: str, target: str, *, read_only: bool) -> dict[str, Any]:
    kind = "bind" if source.startswith("/") else "volume"
    return {"Type": kind, "Source": source, "Target": target, "ReadOnly": read_only}
