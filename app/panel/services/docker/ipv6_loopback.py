"""Finds out whether the engine can publish a port on ::1, which it says only when it tries.

Browsers try ::1 first for `localhost`. Where services are published on 127.0.0.1 alone, another user of the machine can
listen there and be taken for them.
"""

import logging
from contextlib import suppress
from typing import Any, Final

from app.panel.services.docker.engine import Engine
from app.panel.services.docker.engine_errors import ErrorContext
from app.panel.services.docker.host_container import HostContainer
from app.panel.services.docker.problems import ContainerNameTakenError
from pipeline.core.problems import ProblemError
from pipeline.core.product import NAME

PROBE: Final = f"{NAME}.probe"  # the label of the container that tries it
_PORT: Final = "9/tcp"
_NO_IPV6: Final = ("assign requested address", "address family not supported", "not a valid ip", "invalid ip")

log = logging.getLogger(__name__)


def can_publish_on_ipv6(engine: Engine, host: HostContainer) -> bool:
    """Return whether a container of the panel's image can be published on ::1. It runs for a moment and does nothing.

    Raises ProblemError for anything but an engine or a machine without IPv6.
    """
    name = f"{host.project}-ipv6-probe"
    context = ErrorContext(container=name)
    _remove_leftover(engine, name)
    created = engine.create(name, probe_request(host), context)
    try:
        engine.start(created, context)
    except ProblemError as problem:
        if any(sign in str(problem).lower() for sign in _NO_IPV6):
            log.info("action=probe_ipv6 result=none reason=%s", problem)
            return False
        raise
    finally:
        with suppress(ProblemError):
            engine.remove(created)
    return True


def probe_request(host: HostContainer) -> dict[str, Any]:
    """Return the request that creates the probe: constants, and the panel's own image and user."""
    return {
        "Image": host.image,
        "Entrypoint": ["true"],
        "Cmd": [],
        "User": host.user,
        "ExposedPorts": {_PORT: {}},
        "Labels": {PROBE: host.project},
        "HostConfig": {
            "PortBindings": {_PORT: [{"HostIp": "::1", "HostPort": ""}]},
            "Memory": 64 * 2**20,
            "MemorySwap": 64 * 2**20,
            "PidsLimit": 16,
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges:true"],
            "Privileged": False,
            "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
            "LogConfig": {"Type": "none", "Config": {}},
        },
    }


def _remove_leftover(engine: Engine, name: str) -> None:
    """Remove the probe of a panel that was killed. Raises NAME-01 where somebody else has the name."""
    leftover = engine.container(name)
    if leftover is None:
        return
    if PROBE not in (leftover["Config"].get("Labels") or {}):
        raise ContainerNameTakenError(name)
    engine.remove(leftover["Id"])
