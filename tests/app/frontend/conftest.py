"""Real prediction apps in front of real prediction APIs: processes of their own on free ports."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import httpx2
import pytest

from bench.bundles import Built, make_bundle
from pipeline.core.params import Task
from tests.app.prediction.conftest import TASKS, Api, running


@dataclass(frozen=True)
class App:
    """A running prediction app, without script: what a browser would send and get."""

    url: str
    client: httpx2.Client
    pid: int

    def get(self, path: str = "/", **values: str) -> httpx2.Response:
        """A page; `values` go into the query string under their own names."""
        return self.client.get(path, params=values)


Started = Callable[..., contextlib.AbstractContextManager[App]]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


@contextlib.contextmanager
def app_running(api_url: str, log: Path, **env: str) -> Iterator[App]:
    """An app on a free port that asks the API at `api_url`; ended at the end."""
    port = free_port()
    settings = {"API_URL": api_url, "APP_PORT": str(port), "PANEL_URL": "http://localhost:8080", **env}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.frontend"], env={**os.environ, **settings}, stdout=output, stderr=output
        )
    url = f"http://127.0.0.1:{port}"
    client = httpx2.Client(base_url=url, timeout=30, trust_env=False)
    try:
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(httpx2.TransportError):
                if client.get("/livez").status_code == 200:
                    break
            assert process.poll() is None, log.read_text("utf-8")
            assert time.monotonic() < deadline
            time.sleep(0.01)
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
    """An app for each task; only for tests that change nothing."""
    with contextlib.ExitStack() as stack:
        found: dict[Task, Served] = {}
        for task in TASKS:
            folder = tmp_path_factory.mktemp(f"app-{task}")
            built = make_bundle(folder / "models", task=task, version=7)
            api = stack.enter_context(running(folder / "models"))
            app = stack.enter_context(app_running(f"http://127.0.0.1:{api.port}", folder / "app.log"))
            found[task] = Served(app, api, built)
        for each in found.values():
            each.api.wait_for(7)
        yield found


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
        self._words: list[str] = []
        self.feed(text)

    @property
    def text(self) -> str:
        """All words of the page, single-spaced."""
        return " ".join(" ".join(self._words).split())

    def sent(self) -> dict[str, str]:
        """What submitting the form would send."""
        return {control.name: control.value for control in self.controls.values() if control.name}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        found = dict(attrs)
        self.tags.append((tag, found))
        if tag == "label":
            self.labels.add(found.get("for") or "")
        elif tag in {"input", "select", "textarea"}:
            control = Control(found.get("name") or "", found.get("value") or "", found)
            self.controls[control.name] = control
            self._select = control if tag == "select" else None
        elif tag == "option" and self._select and "selected" in found:
            self._select.value = found.get("value") or ""

    def handle_data(self, data: str) -> None:
        """See HTMLParser."""
        self._words.append(data)
