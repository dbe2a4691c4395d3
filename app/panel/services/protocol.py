"""The interface between the supervisor and its two runtimes.

A spec says what must run and is the same for both runtimes but for its `Placement`: where the service finds its
interpreter, its folders and the other services. Light: imports neither docker nor psutil.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Final, Literal, Protocol, Self

from app.web.tls import TlsFiles
from pipeline.core.problems import ProblemError

ServiceName = Literal["mlflow", "api", "app"]
SERVICES: Final[tuple[ServiceName, ...]] = ("mlflow", "api", "app")
TITLES: Final[dict[ServiceName, str]] = {"mlflow": "MLflow", "api": "Prediction API", "app": "Prediction app"}

Volume = Literal["models", "mlflow", "keys", "access", "ports"]
RuntimeKind = Literal["process", "docker"]


@dataclass(frozen=True)
class Placement:
    """The interpreter, folders and addresses that a runtime gives to services; the input of `specs.build`.

    `python` runs the service's module (containers may have one environment to serve and one to track). `listen` are
    the addresses that services bind; `hosts` the hosts, as in a URL, by which the panel and each other reach them; `ports`
    what they listen on there (the published port is always that of the settings). `paths` say where a service sees a
    volume, `tls` where it sees the certificate; None: it is served by http.
    `image` is the identity of the code, so that new code replaces what runs; `user` whom services run as; `sources` what
    lies behind each volume; `publish_on` the addresses of the machine on which the port of a container is published.
    "" or nothing where that does not apply.
    """

    kind: RuntimeKind
    python: Mapping[ServiceName, str]
    listen: Mapping[ServiceName, str]
    hosts: Mapping[ServiceName, str]
    ports: Mapping[ServiceName, int]
    paths: Mapping[Volume, str]
    panel_url: str
    tls: TlsFiles | None = None
    image: str = ""
    user: str = ""
    sources: Mapping[Volume, str] = field(default_factory=dict)
    publish_on: Mapping[ServiceName, tuple[str, ...]] = field(default_factory=dict)

    @property
    def scheme(self) -> Literal["http", "https"]:
        """Return by which scheme services are reached."""
        return "http" if self.tls is None else "https"


@dataclass(frozen=True)
class Mount:
    """A volume that a service may see: `volume` at `path`, for writing only where `read_only` is false.

    `source` is what lies behind it, so that another one replaces the service; "" where `path` says so already.
    """

    volume: Volume
    path: str
    read_only: bool
    source: str = ""


@dataclass(frozen=True)
class ServiceSpec:
    """One service as it should be. Two specs with the same `digest` mean the same service.

    `listen_port` is bound by the service itself, `port` is where people and scripts on this machine find it (the
    same number for processes). `port_setting` names the variable that changes it. `ready_path` responds with 2xx when the
    service does its work (the API does so also before the first model). `memory_bytes`, `cpus`, `pids` are limits,
    enforced where the runtime can. `env` is added to a minimal environment and holds no secret: a secret is a file in a
    mount, and `secret_version` is another when that file holds another secret. `start_s` is how long a start may take. `is_port_kept`: a container of it leaves the
    published port to a keeper, so that it is replaced without a gap; its program takes the port from there.
    """

    name: ServiceName
    argv: tuple[str, ...]
    env: Mapping[str, str]
    port: int
    port_setting: str
    listen_port: int
    host: str
    ready_path: str
    memory_bytes: int
    cpus: float
    pids: int
    start_s: float
    mounts: tuple[Mount, ...] = ()
    image: str = ""
    publish_on: tuple[str, ...] = ("127.0.0.1",)
    user: str = ""
    secret_version: str = ""
    is_port_kept: bool = False
    digest: str = field(init=False, default="")

    def __post_init__(self) -> None:
        """Compute `digest`: sha256 over all other fields."""
        fields = {key: value for key, value in asdict(self).items() if key != "digest"}
        text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
        object.__setattr__(self, "digest", hashlib.sha256(text.encode()).hexdigest())


# absent: nothing has that name. starting: it lives but does not listen yet (or its health check has not
# passed yet). running: it lives and the port is its own. unhealthy: it lives and its own health check fails.
# paused: it lives and was suspended manually. exited: it ended. foreign: something that is not ours holds the name.
State = Literal["absent", "starting", "running", "unhealthy", "paused", "exited", "foreign"]


@dataclass(frozen=True)
class Observed:
    """A service as observed now; says nothing of what should be.

    `instance_id` changes with each start. `memory_bytes` is the memory that would be free without it (PSS where
    known). `cpu_s` is processor time used so far. None: not known or not running. `reason`: one line for people.
    `ended`: how it ended, or how the instance before it did where the runtime itself started it again; None where there
    is nothing to say beyond `reason`.
    """

    state: State
    digest: str = ""
    instance_id: str = ""
    started_at: datetime | None = None
    exit_code: int | None = None
    oom_killed: bool = False
    memory_bytes: int | None = None
    cpu_s: float | None = None
    n_processes: int | None = None
    reason: str = ""
    ended: ProblemError | None = None


ABSENT: Final = Observed("absent")


@dataclass(frozen=True)
class LogChunk:
    """Lines of a service's output. `after` is an opaque cursor: give it back to get what came later."""

    lines: tuple[str, ...]
    after: int


CheckState = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Check:
    """One preflight check. `id` is an error id where `state` is not ok, else a short name; texts as in ProblemError."""

    id: str
    name: str
    state: CheckState
    message: str
    why: str = ""
    fix: str = ""
    command: str = ""

    @classmethod
    def failed(cls, name: str, problem: ProblemError, state: CheckState = "error") -> Self:
        """Return the check that found this problem."""
        return cls(problem.id, name, state, problem.what, problem.why, problem.fix, problem.command)


class Runtime(Protocol):
    """Runs the services of the panel. Identity is `spec.name`, sameness is `spec.digest`, ours is what carries our owner mark.

    Every call is synchronous, bounded in time, safe from any thread, idempotent and valid right after a panel
    restart; nothing foreign is ever touched. Failures are ProblemErrors (PORT-, DOCK-, NAME-, SVC-nn).
    """

    @property
    def placement(self) -> Placement:
        """Return the interpreter, folders and addresses that this runtime gives to services."""

    def ensure(self, spec: ServiceSpec) -> None:
        """Make `spec` run: same digest and alive = nothing is written, else started or replaced.

        Returns when it is started, not when it is ready. Raises ProblemError: PORT-01 the port is taken (nothing is
        left behind), NAME-01 the name is, SVC-01 it cannot be started at all.
        """

    def restart(self, spec: ServiceSpec) -> None:
        """Stop it if it runs, then as `ensure`: afterwards the instance is a new one."""

    def stop(self, name: ServiceName, *, grace_s: float = 10.0) -> None:
        """Return when it is gone with all its processes: TERM, wait, KILL. An unknown name is success."""

    def observe(self, name: ServiceName) -> Observed:
        """Return what has that name now. Never raises for what is merely absent or broken."""

    def notify_ends(self, notify: Callable[[ServiceName], None]) -> None:
        """Have `notify` called, in any thread, as soon as a service ends, where the runtime learns that by itself. A hint:
        nothing may depend on it."""

    def logs(self, name: ServiceName, after: int = 0, limit: int = 500) -> LogChunk:
        """Return output after the cursor `after`, at most the last `limit` lines of it; 0 is the end's last `limit` lines."""

    def internal_url(self, spec: ServiceSpec) -> str:
        """Return the base URL by which the panel reaches it, without trailing slash."""

    def public_url(self, spec: ServiceSpec) -> str:
        """Return the base URL for people on this machine, without trailing slash."""

    def checks(self, specs: Mapping[ServiceName, ServiceSpec]) -> list[Check]:
        """Return the preflight checks that only this runtime knows; ports included."""

    def close(self) -> None:
        """Release everything, and leave the services as they are: containers and processes outlive the panel."""
