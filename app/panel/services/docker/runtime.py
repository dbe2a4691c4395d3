"""Services as containers beside the panel's own, from its own image.

Level-triggered: each call looks at what there is and does what is missing, so that it does not matter who killed,
paused, renamed or edited what, or where the panel was when it was killed. Only what carries our label is touched.
"""

import contextlib
import math
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from app.panel.services.docker import container_config
from app.panel.services.docker.canary import Swap
from app.panel.services.docker.checks import engine_checks
from app.panel.services.docker.engine import Engine, Inspected
from app.panel.services.docker.engine_problems import NotInContainerError
from app.panel.services.docker.host_container import PATHS, Home, home_of, own_container_id
from app.panel.services.docker.inspection import end_before, lived, log_chunk, observed, serves
from app.panel.services.docker.problems import ContainerNameTakenError, NetworkNameTakenError, VolumeNotMountedError
from app.panel.services.protocol import (
    ABSENT,
    SERVICES,
    Check,
    LogChunk,
    Observed,
    Place,
    ServiceName,
    ServiceSpec,
)
from app.panel.settings import Settings
from pipeline.core.problems import ProblemError

PYTHON: Final[Mapping[ServiceName, str]] = {
    "mlflow": "/opt/panel/bin/python",
    "api": "/opt/serve/bin/python",
    "app": "/opt/serve/bin/python",
}
_STATS_EVERY_S: Final = 10.0
_SURVEY_EVERY_S: Final = 1.0


class DockerRuntime:
    """See `protocol.Runtime`. Nothing is asked of the engine before the first call, so it can be built without one."""

    def __init__(self, settings: Settings, engine: Engine, *, home: Home | None = None) -> None:
        """`home` is found by inspecting the panel's own container, unless given."""
        self._settings = settings
        self._engine = engine
        self._home = home
        self._locks: dict[ServiceName, threading.RLock] = {name: threading.RLock() for name in SERVICES}
        self._network_lock = threading.Lock()
        self._survey_lock = threading.Lock()
        self._survey: tuple[float, list[Inspected]] = (-math.inf, [])
        self._stats: dict[str, tuple[float, Inspected]] = {}
        self._ends: dict[str, tuple[str, ProblemError | None]] = {}

    @property
    def home(self) -> Home:
        """Where the panel lives. Raises ProblemError (DOCK-nn) when the engine is not there or does not know us."""
        if self._home is None:
            own_id = own_container_id()
            inspected = self._engine.container(own_id) if own_id else None
            if inspected is None:
                # Without an engine that is what to say first.
                self._engine.info()
                raise NotInContainerError
            home = home_of(inspected, cpus=float(self._engine.info()["NCPU"]))
            missing = sorted(PATHS.keys() - home.sources.keys())
            if missing:
                raise VolumeNotMountedError(missing[0], PATHS[missing[0]])
            self._home = home
        return self._home

    @property
    def place(self) -> Place:
        """See Runtime. Raises ProblemError (DOCK-nn) when the engine is not there."""
        home = self.home
        ports: dict[ServiceName, int] = {
            "mlflow": self._settings.mlflow_port,
            "api": self._settings.api_port,
            "app": self._settings.app_port,
        }
        return Place(
            kind="docker",
            python=PYTHON,
            listen=dict.fromkeys(SERVICES, "0.0.0.0"),  # noqa: S104 - in the container; published on 127.0.0.1
            hosts={name: home.container(name) for name in SERVICES},
            ports=ports,
            paths=PATHS,
            panel_url=f"http://127.0.0.1:{self._settings.panel_port}",
            image=home.image,
            user=home.user,
            sources=home.sources,
        )

    def ensure(self, spec: ServiceSpec) -> None:
        """See Runtime. While the old container serves, a trial of the new one must come up before it is replaced."""
        with self._locks[spec.name]:
            self._ensure_network()
            ours = self._ours(spec.name)
            live = self._live(ours, spec.name)
            self._refuse_foreign(spec.name, ours)
            try:
                if live is not None and self._is_wanted(live, spec):
                    self._keep(live, ours, spec)
                else:
                    self._replace(live, ours, spec)
            finally:
                self._forget_survey()

    def restart(self, spec: ServiceSpec) -> None:
        """See Runtime. What is not as it should be is replaced instead, so that what serves is not lost to a bad start."""
        with self._locks[spec.name]:
            before = self._live(self._ours(spec.name), spec.name)
            self.ensure(spec)
            if before is not None and (after := self._engine.container(before["Id"])) is not None:
                self._engine.restart(after["Id"], grace_s=container_config.STOP_GRACE_S)

    def stop(self, name: ServiceName, *, grace_s: float = 10.0) -> None:
        """See Runtime."""
        with self._locks[name]:
            for container in self._ours(name):
                self._engine.stop(container["Id"], grace_s=math.ceil(grace_s))
                self._engine.remove(container["Id"])
            self._forget_survey()

    def observe(self, name: ServiceName) -> Observed:
        """See Runtime. Raises ProblemError (DOCK-nn) only when there is no engine to look at."""
        home = self.home
        all_ours = self._surveyed()
        found = self._engine.container(home.container(name))
        if found is None or not self._is_ours(found, name):
            live = self._live(self._ours(name), name)
            if live is None:
                return (
                    ABSENT
                    if found is None
                    else Observed("foreign", reason=ContainerNameTakenError(home.container(name)).what)
                )
            # Renamed by hand: it serves, and is not as it should be.
            return observed(live, home, digest="")
        of_service = (container for container in all_ours if container["Labels"].get(container_config.SERVICE) == name)
        is_alone = all(container["Id"] == found["Id"] for container in of_service)
        # Others of it were left by a replacement that was cut off: `ensure` is to remove them.
        seen = observed(found, home, lambda: self._stats_of(found), digest=None if is_alone else "")
        return seen if seen.ended is not None else replace(seen, ended=self._end_before(found, seen.instance_id))

    def logs(self, name: ServiceName, after: int = 0, limit: int = 500) -> LogChunk:
        """See Runtime. The cursor is the time of the last line, in nanoseconds."""
        live = self._live(self._ours(name), name)
        if live is None:
            return LogChunk((), after)
        return log_chunk(self._engine.logs(live["Id"], since_s=max(0.0, after / 1e9 - 1e-3), limit=limit), after)

    def internal_url(self, spec: ServiceSpec) -> str:
        """See Runtime: by the container's name, on the services' own network."""
        return f"http://{self.home.container(spec.name)}:{spec.listen_port}"

    def public_url(self, spec: ServiceSpec) -> str:
        """See Runtime: published on this machine only."""
        return f"http://127.0.0.1:{spec.port}"

    def checks(self, specs: Mapping[ServiceName, ServiceSpec]) -> list[Check]:
        """See Runtime."""
        return engine_checks(self._engine, lambda: self.home, specs)

    def close(self) -> None:
        """See Runtime: the containers stay."""
        self._engine.close()

    def _surveyed(self) -> list[Inspected]:
        """All containers of ours in short form, at most a second old; the panel is then on the services' network.

        A panel that finds its services running has nothing to ensure, and must reach them all the same.
        """
        with self._survey_lock:
            taken, found = self._survey
            if time.monotonic() - taken >= _SURVEY_EVERY_S:
                self._ensure_network()
                found = self._engine.containers(container_config.owned(self.home))
                self._survey = (time.monotonic(), found)
            return found

    def _forget_survey(self) -> None:
        with self._survey_lock:
            self._survey = (-math.inf, [])

    def _ours(self, name: ServiceName) -> list[Inspected]:
        found = self._engine.containers(container_config.owned(self.home, name))
        inspected = [self._engine.container(short["Id"]) for short in found]
        return [container for container in inspected if container is not None]

    def _is_ours(self, container: Inspected, name: ServiceName | None = None) -> bool:
        labels = container["Config"].get("Labels") or {}
        return container_config.owned(self.home, name).items() <= labels.items()

    def _live(self, ours: list[Inspected], name: ServiceName) -> Inspected | None:
        """The one with the name; else the one that lost it (renamed by hand, or the panel died in a swap)."""
        halves = {container_config.title(self.home, name, "trial"), container_config.title(self.home, name, "next")}
        whole = [container for container in ours if container["Name"].lstrip("/") not in halves]
        wanted = "/" + container_config.title(self.home, name)
        return min(whole, key=lambda c: (not serves(c), c["Name"] != wanted), default=None)

    def _is_wanted(self, live: Inspected, spec: ServiceSpec) -> bool:
        state = live["State"]
        return (
            live["Config"]["Labels"].get(container_config.SPEC) == spec.digest
            and not container_config.is_edited(live)
            and bool(state["Running"])
            and not state.get("Restarting")
            and container_config.asked_ports(live) <= container_config.published(live)
        )

    def _keep(self, live: Inspected, ours: list[Inspected], spec: ServiceSpec) -> None:
        name = container_config.title(self.home, spec.name)
        if live["Name"].lstrip("/") != name:
            self._engine.rename(live["Id"], name)
        if live["State"].get("Paused"):
            self._engine.unpause(live["Id"])
        self._remove_all([container for container in ours if container["Id"] != live["Id"]])

    def _replace(self, live: Inspected | None, ours: list[Inspected], spec: ServiceSpec) -> None:
        old = live if live is not None and serves(live) else None
        self._remove_all([container for container in ours if old is None or container["Id"] != old["Id"]])
        swap = Swap(self._engine, self.home, spec)
        if old is None:
            swap.start(swap.create("live"))
            return
        if old["Config"]["Labels"].get(container_config.SPEC) != spec.digest:
            swap.rehearse(old)
        swap.replace(old)

    def _remove_all(self, containers: list[Inspected]) -> None:
        for container in containers:
            self._engine.remove(container["Id"])

    def _refuse_foreign(self, name: ServiceName, ours: list[Inspected]) -> None:
        container = container_config.title(self.home, name)
        if any(own["Name"].lstrip("/") == container for own in ours):
            return
        holder = self._engine.container(container)
        if holder is None:
            return
        if not self._is_ours(holder):
            raise ContainerNameTakenError(container)
        # Another service of ours under this name: aside, where its own look finds it by its label and names it rightly.
        self._engine.rename(holder["Id"], f"{container}-aside")

    def _ensure_network(self) -> None:
        home = self.home
        labels = {"com.docker.compose.project": home.project, "com.docker.compose.network": "serving"}
        with self._network_lock:
            found = self._engine.network(home.network)
            if found is None:
                self._engine.make_network(home.network, {**home.compose_labels, **labels})
                found = self._engine.network(home.network) or {"Labels": labels, "Containers": {}}
            if not labels.items() <= (found.get("Labels") or {}).items():
                raise NetworkNameTakenError(home.network)
            if home.container_id and home.container_id not in (found.get("Containers") or {}):
                self._engine.join(home.network, home.container_id, "panel")

    def _end_before(self, container: Inspected, instance_id: str) -> ProblemError | None:
        """How it ended before the engine started it again by itself; asked once for each instance."""
        if (span := lived(container)) is None:
            return None
        name = container["Name"]
        asked, found = self._ends.get(name, ("", None))
        if asked != instance_id:
            found = None
            # An engine that does not tell (a proxy may guard its events) must not keep the service from being looked at.
            with contextlib.suppress(ProblemError):
                found = end_before(container, self._engine.ends(container["Id"], *span))
            self._ends[name] = (instance_id, found)
        return found

    def _stats_of(self, container: Inspected) -> Inspected | None:
        """Memory and processor time, looked up every 10 s: it costs the engine more than all else here."""
        now = time.monotonic()
        key = str(container["Id"])
        taken, stats = self._stats.get(key, (-math.inf, {}))
        if now - taken > _STATS_EVERY_S:
            stats = self._engine.stats(key) or {}
            self._stats = {k: v for k, v in self._stats.items() if now - v[0] < 10 * _STATS_EVERY_S}
            self._stats[key] = (now, stats)
        return stats
