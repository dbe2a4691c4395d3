"""Services as containers beside the panel's own, from its own image.

Level-triggered: each call inspects what exists and does what is missing, so that it does not matter who killed,
paused, renamed or edited what, or what the panel did when it was killed. Only what carries our label is touched.
"""

import contextlib
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from app.panel.services.docker import container_config
from app.panel.services.docker.checks import engine_checks
from app.panel.services.docker.engine import Engine, Inspected
from app.panel.services.docker.engine_problems import NotInContainerError
from app.panel.services.docker.host_container import ACCESS, PATHS, HostContainer, own_container_id
from app.panel.services.docker.inspection import is_serving, observe, parse_log, previous_exit, previous_run_window
from app.panel.services.docker.ipv6_loopback import can_publish_on_ipv6
from app.panel.services.docker.ownership import find_live, is_as_specified, is_ours
from app.panel.services.docker.port_keeper import PortKeeper, is_kept
from app.panel.services.docker.problems import ContainerNameTakenError, VolumeNotMountedError
from app.panel.services.docker.replacement import Replacement
from app.panel.services.docker.serving_network import ServingNetwork
from app.panel.services.handed_over import CERTIFICATE_FILE, CERTIFICATE_KEY_FILE
from app.panel.services.protocol import (
    ABSENT,
    SERVICES,
    Check,
    LogChunk,
    Observed,
    Placement,
    ServiceName,
    ServiceSpec,
)
from app.panel.settings import Settings
from app.web.tls import TlsFiles
from pipeline.core.problems import ProblemError

PYTHON: Final[Mapping[ServiceName, str]] = {
    "mlflow": "/opt/panel/bin/python",
    "api": "/opt/serve/bin/python",
    "app": "/opt/serve/bin/python",
}
# Beside the access list: what all services see, and nobody else.
CERTIFICATE: Final = TlsFiles(Path(ACCESS, CERTIFICATE_FILE), Path(ACCESS, CERTIFICATE_KEY_FILE))
_STATS_EVERY_S: Final = 10.0
_LIST_EVERY_S: Final = 1.0


class DockerRuntime:
    """See `protocol.Runtime`. The engine is not contacted before the first call, so it can be built without one."""

    def __init__(self, settings: Settings, engine: Engine, *, host: HostContainer | None = None) -> None:
        """`host` is read by inspecting the panel's own container, unless given."""
        self._settings = settings
        self._engine = engine
        self._host = host
        self._host_lock = threading.Lock()
        self._locks: dict[ServiceName, threading.RLock] = {name: threading.RLock() for name in SERVICES}
        self._network = ServingNetwork(engine)
        self._listing_lock = threading.Lock()
        self._listing: tuple[float, list[Inspected]] = (-math.inf, [])
        self._stats: dict[str, tuple[float, Inspected]] = {}
        self._exits: dict[str, tuple[str, ProblemError | None]] = {}

    @property
    def host(self) -> HostContainer:
        """Return the panel's own container. Raises ProblemError (DOCK-nn) if the engine does not respond or know it."""
        with self._host_lock:  # one thread looks, and tries what there is to try
            if self._host is None:
                self._host = self._find_host()
            return self._host

    def _find_host(self) -> HostContainer:
        own_id = own_container_id()
        inspected = self._engine.container(own_id) if own_id else None
        if inspected is None:
            # Without an engine that is the problem to report.
            self._engine.info()
            raise NotInContainerError
        host = HostContainer.from_inspect(inspected, cpus=float(self._engine.info()["NCPU"]))
        missing = sorted(PATHS.keys() - host.sources.keys())
        if missing:
            raise VolumeNotMountedError(missing[0], PATHS[missing[0]])
        if "::1" not in host.loopback and can_publish_on_ipv6(self._engine, host):
            host = replace(host, loopback=(*host.loopback, "::1"))
        return host

    @property
    def placement(self) -> Placement:
        """See Runtime. Raises ProblemError (DOCK-nn) when the engine does not respond."""
        host = self.host
        ports: dict[ServiceName, int] = {
            "mlflow": self._settings.mlflow_port,
            "api": self._settings.api_port,
            "app": self._settings.app_port,
        }
        return Placement(
            kind="docker",
            python=PYTHON,
            listen=dict.fromkeys(SERVICES, "0.0.0.0"),  # noqa: S104 - in the container
            hosts={
                "mlflow": host.service_container("mlflow"),
                "api": host.keeper_container("api"),
                "app": host.service_container("app"),
            },
            ports=ports,
            paths=PATHS,
            panel_url=self._settings.panel_url,
            tls=None if self._settings.tls_files is None else CERTIFICATE,
            image=host.image,
            user=host.user,
            sources=host.sources,
            publish_on={
                "mlflow": host.loopback,
                "api": host.publish_on(self._settings.publish_address),
                "app": host.publish_on(self._settings.publish_address),
            },
        )

    def ensure(self, spec: ServiceSpec) -> None:
        """See Runtime. While the old container serves, a canary of the new one must come up before it is replaced."""
        with self._locks[spec.name]:
            self._network.ensure(self.host)
            ours = self._ours(spec.name)
            live = find_live(ours, self.host, spec.name)
            self._refuse_foreign(spec.name, ours)
            try:
                if spec.is_port_kept and (live is None or container_config.is_port_kept(live)):
                    PortKeeper(self._engine, self.host, spec).ensure()
                if live is not None and is_as_specified(live, spec):
                    self._keep(live, ours, spec)
                else:
                    self._replace(live, ours, spec)
            finally:
                self._forget_listing()

    def restart(self, spec: ServiceSpec) -> None:
        """See Runtime. What is not as it should be is replaced instead, so that what serves is not lost to a bad start."""
        with self._locks[spec.name]:
            before = find_live(self._ours(spec.name), self.host, spec.name)
            self.ensure(spec)
            if before is not None and (after := self._engine.container(before["Id"])) is not None:
                self._engine.restart(after["Id"], grace_s=container_config.STOP_GRACE_S)

    def stop(self, name: ServiceName, *, grace_s: float = 10.0) -> None:
        """See Runtime."""
        with self._locks[name]:
            labels = container_config.keeper_labels(self.host, name)
            for container in (*self._ours(name), *self._engine.containers(labels)):
                self._engine.stop(container["Id"], grace_s=math.ceil(grace_s))
                self._engine.remove(container["Id"])
            self._forget_listing()

    def observe(self, name: ServiceName) -> Observed:
        """See Runtime. Raises ProblemError (DOCK-nn) only when the engine does not respond."""
        host = self.host
        all_ours = self._list_cached()
        container = self._engine.container(host.service_container(name))
        if container is None or not is_ours(container, host, name):
            live = find_live(self._ours(name), self.host, name)
            if live is None:
                if container is None:
                    return ABSENT
                return Observed("foreign", reason=ContainerNameTakenError(host.service_container(name)).what)
            # Renamed manually: it serves, but not as specified.
            return observe(live, host, digest="")
        of_service = (each for each in all_ours if each["Labels"].get(container_config.SERVICE) == name)
        is_only_container = all(each["Id"] == container["Id"] for each in of_service)
        # Others of it were left by a replacement that was cut off: `ensure` is to remove them, and to mend its port.
        is_reached = not container_config.is_port_kept(container) or is_kept(all_ours, host, name)
        digest = None if is_only_container and is_reached else ""
        observed = observe(container, host, lambda: self._stats_of(container), digest=digest)
        if observed.ended is not None:
            return observed
        return replace(observed, ended=self._previous_exit(container, observed.instance_id))

    def notify_ends(self, notify: Callable[[ServiceName], None]) -> None:
        """See Runtime. The engine itself starts a container again that ended."""

    def logs(self, name: ServiceName, after: int = 0, limit: int = 500) -> LogChunk:
        """See Runtime. The cursor is the time of the last line, in nanoseconds."""
        live = find_live(self._ours(name), self.host, name)
        if live is None:
            return LogChunk((), after)
        return parse_log(self._engine.logs(live["Id"], since_s=max(0.0, after / 1e9 - 1e-3), limit=limit), after)

    def internal_url(self, spec: ServiceSpec) -> str:
        """See Runtime: by the name of the container, or of the keeper of its port, on the services' own network."""
        host = self.host.keeper_container if spec.is_port_kept else self.host.service_container
        return f"{self._settings.scheme}://{host(spec.name)}:{spec.listen_port}"

    def public_url(self, spec: ServiceSpec) -> str:
        """See Runtime: published on loopback, wherever else it is."""
        return f"{self._settings.scheme}://127.0.0.1:{spec.port}"

    def checks(self, specs: Mapping[ServiceName, ServiceSpec]) -> list[Check]:
        """See Runtime."""
        return [*engine_checks(self._engine, lambda: self.host, specs), *self._network.checks()]

    def close(self) -> None:
        """See Runtime: the containers stay."""
        self._engine.close()

    def _list_cached(self) -> list[Inspected]:
        """Return all containers of ours in short form, at most a second old; connects the panel to the services' network.

        A panel that finds its services running has nothing to ensure, and must reach them all the same.
        """
        with self._listing_lock:
            listed_at, containers = self._listing
            if time.monotonic() - listed_at >= _LIST_EVERY_S:
                self._network.ensure(self.host)
                containers = self._engine.containers(container_config.owner_labels(self.host))
                self._listing = (time.monotonic(), containers)
            return containers

    def _forget_listing(self) -> None:
        with self._listing_lock:
            self._listing = (-math.inf, [])

    def _ours(self, name: ServiceName) -> list[Inspected]:
        listed = self._engine.containers(container_config.owner_labels(self.host, name))
        inspected = [self._engine.container(short["Id"]) for short in listed]
        return [container for container in inspected if container is not None]

    def _keep(self, live: Inspected, ours: list[Inspected], spec: ServiceSpec) -> None:
        name = self.host.service_container(spec.name)
        if live["Name"].lstrip("/") != name:
            self._engine.rename(live["Id"], name)
        if live["State"].get("Paused"):
            self._engine.unpause(live["Id"])
        self._remove_all([container for container in ours if container["Id"] != live["Id"]], spec)

    def _replace(self, live: Inspected | None, ours: list[Inspected], spec: ServiceSpec) -> None:
        old = live if live is not None and is_serving(live) else None
        self._remove_all([container for container in ours if old is None or container["Id"] != old["Id"]], spec)
        replacement = Replacement(self._engine, self.host, spec)
        keeper = PortKeeper(self._engine, self.host, spec) if spec.is_port_kept else None
        if old is None:
            if keeper is not None:
                keeper.ensure()
            replacement.start(replacement.create("live"))
            return
        if old["Config"]["Labels"].get(container_config.SPEC) != spec.digest:
            replacement.start_canary(old)
        if keeper is not None and container_config.is_port_kept(old):
            replacement.hand_over(old)
        else:
            replacement.replace(old, keeper)

    def _remove_all(self, containers: list[Inspected], spec: ServiceSpec) -> None:
        for container in containers:
            if container_config.is_port_kept(container):
                Replacement(self._engine, self.host, spec).remove_gently(container["Id"])
            else:
                self._engine.remove(container["Id"])

    def _refuse_foreign(self, name: ServiceName, ours: list[Inspected]) -> None:
        container = self.host.service_container(name)
        if any(own["Name"].lstrip("/") == container for own in ours):
            return
        holder = self._engine.container(container)
        if holder is None:
            return
        if not is_ours(holder, self.host):
            raise ContainerNameTakenError(container)
        # Another service of ours under this name: aside, where its own observation finds it by its label and renames it.
        self._engine.rename(holder["Id"], f"{container}-aside")

    def _previous_exit(self, container: Inspected, instance_id: str) -> ProblemError | None:
        """Return how it ended before the engine restarted it by itself; looked up once for each instance."""
        if (window := previous_run_window(container)) is None:
            return None
        name = container["Name"]
        known_instance, problem = self._exits.get(name, ("", None))
        if known_instance != instance_id:
            problem = None
            # An engine that does not say (a proxy may guard its events) must not keep the service from being observed.
            with contextlib.suppress(ProblemError):
                problem = previous_exit(container, self._engine.exit_events(container["Id"], *window))
            self._exits[name] = (instance_id, problem)
        return problem

    def _stats_of(self, container: Inspected) -> Inspected | None:
        """Return memory and CPU time, read every 10 s: it costs the engine more than all else here."""
        now = time.monotonic()
        key = str(container["Id"])
        read_at, stats = self._stats.get(key, (-math.inf, {}))
        if now - read_at > _STATS_EVERY_S:
            stats = self._engine.stats(key) or {}
            self._stats = {k: v for k, v in self._stats.items() if now - v[0] < 10 * _STATS_EVERY_S}
            self._stats[key] = (now, stats)
        return stats
