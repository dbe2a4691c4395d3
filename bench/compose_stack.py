"""The project as a user has it: a copy of the sources, `docker compose up -d`, in a project of its own."""

import contextlib
import json
import os
import shutil
import ssl
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bench.ports import free_ports
from bench.wait import until

ROOT = Path(__file__).parent.parent
PORTS = ("PANEL_PORT", "API_PORT", "APP_PORT", "MLFLOW_PORT")
SERVICES = ("mlflow", "api", "app")
TOKEN = "token-for-scripts-0123456789abcdef"
UID = 12345
T = TypeVar("T")


def docker(*args: str, timeout_s: float = 120.0) -> str:
    """Run the Docker command line and return its output."""
    done = subprocess.run(["docker", *args], capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@dataclass
class Stack:
    """One project on the engine. `env` is what the user would have in the shell; `tls` accepts its certificate, if it has one."""

    folder: Path
    project: str
    ports: dict[str, int]
    env: dict[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None

    def compose(self, *args: str, timeout_s: float = 900.0) -> str:
        """Run `docker compose ...` in the copy and return its output, both streams."""
        names = {name: str(port) for name, port in self.ports.items()}
        keep = {name: value for name, value in os.environ.items() if not name.startswith(("PANEL_", "ML_PIPELINE_"))}
        done = subprocess.run(
            ["docker", "compose", *args],
            cwd=self.folder,
            env={**keep, **names, "PANEL_API_TOKEN": TOKEN, "ML_PIPELINE_IMAGE": self.project, **self.env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:]
        return done.stdout

    def url(self, port: str) -> str:
        """Return the address of the panel or a service."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.ports[port]}"

    def panel(self, path: str, body: object | None = None) -> Any:
        """Return the response of the panel's API."""
        return call(f"{self.url('PANEL_PORT')}/api/v1/{path}", body, {"Authorization": f"Bearer {TOKEN}"}, self.tls)

    def predict(self, key: str = "") -> Any:
        """Return one prediction over HTTP."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        row = {"age": 45, "MonthlyIncome": 5400, "DebtRatio": 0.3}
        return call(f"{self.url('API_PORT')}/predict", row, headers, self.tls)

    def container(self, name: str) -> str:
        """Return the name of a service's container, or of the panel's."""
        return f"{self.project}-panel-1" if name == "panel" else f"{self.project}-ml-{name}"

    def inspect(self, name: str) -> dict[str, Any]:
        """Return the engine's description of the container."""
        description: dict[str, Any] = json.loads(docker("inspect", self.container(name)))[0]
        return description

    def names(self) -> set[str]:
        """Return the names of all containers of the project, stopped ones included."""
        label = f"label=com.docker.compose.project={self.project}"
        return set(docker("ps", "-a", "--filter", label, "--format", "{{.Names}}").split())

    def left(self) -> str:
        """Return the ids of everything on the engine with the project's name: containers, networks, volumes."""
        kinds = (["ps", "-aq", "--filter"], ["network", "ls", "-q", "--filter"], ["volume", "ls", "-q", "--filter"])
        return "".join(docker(*kind, f"name={self.project}") for kind in kinds)

    def until(self, look: Callable[[], T | None], *, what: str, within_s: float) -> T:
        """Return the first true value of `look`; a stack that does not answer or a command that fails count as false."""
        return until(look, what=what, within_s=within_s, interval_s=0.1, not_yet=(OSError, AssertionError))

    def is_healthy(self) -> bool:
        """Return True if the panel says that all services run and answer."""
        return bool(self.panel("services")["is_healthy"])


def call(url: str, body: object | None, headers: dict[str, str], tls: ssl.SSLContext | None = None) -> Any:
    """Return the JSON response; POST if there is a body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=20, context=tls) as answer:
        return json.load(answer)


@contextlib.contextmanager
def stack_of(folder: Path, project: str) -> Iterator[Stack]:
    """Yield a copy of the sources in `folder`, owned by an ordinary user if we may change that; removes everything afterwards."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    # Not `-p`: with it and without `-f`, Compose does not read the file, and takes whatever has the project's label.
    file = folder / "compose.yaml"
    file.write_text(file.read_text().replace("name: automated-ml-pipeline", f"name: {project}", 1))
    (folder / "data").mkdir(exist_ok=True)
    if os.geteuid() == 0:
        for path in (folder / "data", *(folder / "data").rglob("*")):
            os.chown(path, UID, UID)
    stack = Stack(folder, project, dict(zip(PORTS, free_ports(4), strict=True)))
    try:
        yield stack
    finally:
        stack.compose("--profile", "all", "down", "-v", "--rmi", "local", timeout_s=120)
        with contextlib.suppress(AssertionError):
            docker("image", "rm", "-f", project)
