"""Real prediction apps in front of real prediction APIs, each a process on a free port."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import httpx2
import pytest

from bench.bundles import Built, make_bundle
from bench.ports import free_port
from pipeline.core.params import Task
from tests.app.prediction.conftest import TASKS, Api, running, wait_until_live


@dataclass(frozen=True)
class App:
    """A running prediction app, without script: what a browser would send and get."""

    url: str
    client: httpx2.Client
    pid: int

    def get(self, path: str = "/", **values: str) -> httpx2.Response:
        """Return the response for `path`; `values` are the query string."""
        return self.client.get(path, params=values)


Started = Callable[..., contextlib.AbstractContextManager[App]]


@contextlib.contextmanager
def app_running(api_url: str, log: Path, **env: str) -> Iterator[App]:
    """Start an app on a free port for the API at `api_url`; it is terminated at the end."""
    port = free_port()
    settings = {"API_URL": api_url, "APP_PORT": str(port), "PANEL_URL": "http://localhost:8080", **env}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.frontend"], env={**os.environ, **settings}, stdout=output, stderr=output
        )
    url = f"http://127.0.0.1:{port}"
    client = httpx2.Client(base_url=url, timeout=30, trust_env=False)
    try:
        wait_until_live(client, process, log)
        yield App(url, client, process.pid)
    finally:
        client.close()
        process.terminate()
        process.wait(20)


@dataclass(frozen=True)
class Served:
    """An app, the API behind it and the bundle behind that."""

    app: App
    api: Api
    built: Built


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Task, Served]]:
    """Yield an app for each task; only for tests that change nothing."""
    with contextlib.ExitStack() as stack:
        served_by_task: dict[Task, Served] = {}
        for task in TASKS:
            folder = tmp_path_factory.mktemp(f"app-{task}")
            built = make_bundle(folder / "models", task=task, version=7)
            api = stack.enter_context(running(folder / "models"))
            app = stack.enter_context(app_running(f"http://127.0.0.1:{api.port}", folder / "app.log"))
            served_by_task[task] = Served(app, api, built)
        for each in served_by_task.values():
            each.api.wait_for(7)
        yield served_by_task


@dataclass
class Control:
    """A form control as a browser sees it."""

    name: str
    value: str
    attributes: dict[str, str | None]


class Page(HTMLParser):
    """The parts of a page that the tests look at, parsed as HTML, not as text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.controls: dict[str, Control] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.labels: set[str] = set()
        self._select: Control | None = None
        self._texts: list[str] = []
        self.feed(text)

    @property
    def text(self) -> str:
        """Return the text of the page, single-spaced."""
        return " ".join(" ".join(self._texts).split())

    def form_values(self) -> dict[str, str]:
        """Return what submitting the form would send."""
        return {control.name: control.value for control in self.controls.values() if control.name}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag == "label":
            self.labels.add(attributes.get("for") or "")
        elif tag in {"input", "select", "textarea"}:
            control = Control(attributes.get("name") or "", attributes.get("value") or "", attributes)
            self.controls[control.name] = control
            self._select = control if tag == "select" else None
        elif tag == "option" and self._select and "selected" in attributes:
            self._select.value = attributes.get("value") or ""

    def handle_data(self, data: str) -> None:
        """See HTMLParser."""
        self._texts.append(data)
