"""The keeper of a service's port: a container beside those of the service, in which the published port ends.

It gives its listening socket to the service's container (`app/web/port_keeper.py`), to the old one and to the new one while
one replaces the other. It is made anew only when the port, an address, the user or its own code changes, and keeps the
image that it was made from.
"""

import contextlib
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from app.panel.services.docker import container_config, starting
from app.panel.services.docker.engine import Engine, Inspected
from app.panel.services.docker.engine_errors import ErrorContext
from app.panel.services.docker.host_container import HostContainer
from app.panel.services.docker.ownership import is_as_specified, is_ours
from app.panel.services.docker.problems import ContainerNameTakenError
from app.panel.services.protocol import ServiceName, ServiceSpec
from app.panel.services.specs import KEEPER_SETTING
from app.web import port_keeper
from pipeline.core.problems import ProblemError

SCRIPT: Final = "/srv/app/web/port_keeper.py"
_MEMORY_BYTES: Final = 64 * 2**20
_GRACE_S: Final = 2


def keeper_spec(spec: ServiceSpec) -> ServiceSpec:
    """Return the keeper of the port of `spec` as a spec of its own, without what does not concern it."""
    code = hashlib.sha256(Path(port_keeper.__file__).read_bytes()).hexdigest()
    return replace(
        spec,
        argv=(spec.argv[0], "-IS", SCRIPT, str(spec.listen_port), spec.env[KEEPER_SETTING]),
        env={"CODE": code[:16]},
        ready_path="",
        memory_bytes=_MEMORY_BYTES,
        pids=16,
        mounts=tuple(replace(mount, read_only=False) for mount in spec.mounts if mount.volume == "ports"),
        image="",
        secret_version="",
        is_port_kept=False,
    )


def keeper_request(spec: ServiceSpec, host: HostContainer) -> dict[str, Any]:
    """Return the whole request for the keeper of the port of `spec`."""
    request = container_config.create_request(keeper_spec(spec), host)
    request["Healthcheck"] = {"Test": ["NONE"]}  # it would say that the service serves, and that says itself
    request["HostConfig"]["SecurityOpt"] += container_config.SAME_LEVEL
    request["NetworkingConfig"]["EndpointsConfig"][host.network]["Aliases"] = [host.keeper_container(spec.name)]
    request["Labels"] |= {
        "com.docker.compose.container-number": "2",
        **container_config.keeper_labels(host, spec.name),
        container_config.FINGERPRINT: container_config.fingerprint(request),
    }
    return request


def is_kept(listing: Iterable[Mapping[str, Any]], host: HostContainer, name: ServiceName) -> bool:
    """Return whether one keeper of the service runs, as far as the short form of all containers says."""
    labels = container_config.keeper_labels(host, name)
    keepers = [each for each in listing if labels.items() <= each["Labels"].items()]
    return len(keepers) == 1 and all(
        each["State"] == "running"
        and each["Names"] == [f"/{host.keeper_container(name)}"]
        and any(port.get("PublicPort") for port in each.get("Ports") or [])
        and host.network in (each["NetworkSettings"]["Networks"] or {})
        for each in keepers
    )


class PortKeeper:
    """Makes the keeper of one service what it should be. Idempotent; whatever else has its name is left alone."""

    def __init__(self, engine: Engine, host: HostContainer, spec: ServiceSpec) -> None:
        self._engine = engine
        self._host = host
        self._spec = spec
        self._name = host.keeper_container(spec.name)
        self._context = ErrorContext(self._name, spec.port, spec.port_setting)

    def ensure(self) -> None:
        """Make it run. Raises ProblemError: PORT-01 where the port is taken, NAME-01 where the name is."""
        ours = self._ours()
        wanted = keeper_spec(self._spec)
        kept = next((each for each in ours if is_as_specified(each, wanted)), None)
        if kept is None:
            self._replace(ours)
            return
        for other in ours:
            if other["Id"] != kept["Id"]:
                self._engine.remove(other["Id"])
        if kept["State"].get("Paused"):
            self._engine.unpause(kept["Id"])
        self._engine.rename(kept["Id"], self._name)

    def remove(self) -> None:
        """Give up the port."""
        for container in self._ours():
            self._engine.remove(container["Id"])

    def _replace(self, ours: list[Inspected]) -> None:
        """Start a new one; before the others end where its port is another one, so that a taken port is found in time."""
        holder = self._engine.container(self._name)
        if holder is not None and not is_ours(holder, self._host):
            raise ContainerNameTakenError(self._name)
        new_name = f"{self._name}-next"
        for leftover in (each for each in ours if each["Name"] == f"/{new_name}"):
            self._engine.remove(leftover["Id"])
        olds = [each for each in ours if each["Name"] != f"/{new_name}"]
        in_the_way = [each for each in olds if self._spec.port in container_config.configured_ports(each)]
        new = starting.create(self._engine, new_name, keeper_request(self._spec, self._host), self._context)
        try:
            for old in in_the_way:
                self._engine.stop(old["Id"], grace_s=_GRACE_S)
            starting.start(self._engine, new, self._context)
        except ProblemError:
            with contextlib.suppress(ProblemError):
                self._engine.remove(new)
            for old in in_the_way:
                with contextlib.suppress(ProblemError):
                    self._engine.start(old["Id"], self._context)
            raise
        for old in olds:
            self._engine.remove(old["Id"])
        self._engine.rename(new, self._name)

    def _ours(self) -> list[Inspected]:
        listed = self._engine.containers(container_config.keeper_labels(self._host, self._spec.name))
        inspected = [self._engine.container(short["Id"]) for short in listed]
        return [container for container in inspected if container is not None]
