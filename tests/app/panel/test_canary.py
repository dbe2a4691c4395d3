"""No secret is found where it does not belong: a panel with secrets that are nowhere else on this machine, and a real run."""

import base64
import os
import re
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx2
import psutil
import pytest

from bench.running import TOKEN, RunningPanel, panel
from bench.wait import until
from tests.pipeline.cycle import bundled

pytestmark = [pytest.mark.process, pytest.mark.slow]
MAX_PAGES = 120
LINK = re.compile(rb'(?:href|src|hx-get)="([^"#]+)')
STARTS = ("/", "/runs", "/models", "/data", "/drift", "/services", "/login", "/healthz")
JSON = ("runs", "models", "schedule", "services", "params", "preflight?again=true", "datasets", "drift", "deployments")
# A secret of another program, which the panel has no reason to hand on.
FOREIGN = "AWS_SECRET_ACCESS_KEY"


@dataclass
class Children:
    """What every process below the panel shows to who may list processes: its command line and its environment."""

    seen: dict[str, bytes] = field(default_factory=dict)

    def look(self, pid: int) -> None:
        """Note all processes that run below `pid` at this moment, and the command line of `pid` itself."""
        own = Path(f"/proc/{pid}/cmdline").read_bytes()
        self.seen[f"{pid} cmdline"] = own
        with suppress(psutil.Error):
            for child in psutil.Process(pid).children(recursive=True):
                with suppress(OSError):
                    command = Path(f"/proc/{child.pid}/cmdline").read_bytes()
                    if command != own:  # between fork and exec it still shows what its parent was started with
                        self.seen[f"{child.pid} cmdline {len(command)}"] = command
                        self.seen[f"{child.pid} environ"] = Path(f"/proc/{child.pid}/environ").read_bytes()

    def watch(self, pid: int, ended: threading.Event) -> None:
        """Look again and again until `ended`."""
        while not ended.wait(0.02):
            self.look(pid)


@dataclass(frozen=True)
class Leavings:
    """All that a panel with `secrets` (name to value) has written, shown and handed on. `kept_in`: where a secret lies."""

    secrets: Mapping[str, str]
    kept_in: frozenset[Path]
    folder: Path
    children: Children
    pages: Mapping[str, bytes]


@pytest.fixture(scope="module", params=["variables", "files", "link"])
def leavings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Leavings]:
    """Yield what a panel has left whose secrets come as variables of its environment, or as files that these name.

    With "link" there is no password, and who opens the printed link is logged in.
    """
    folder = tmp_path_factory.mktemp("canary")
    values = {name: secrets.token_urlsafe(24) for name in ("PANEL_PASSWORD", "API_KEY")}
    settings, kept_in = dict(values), set()
    if request.param == "files":
        settings = {f"{name}_FILE": str(folder / f"{name}.txt") for name in values}
        for name, value in values.items():
            (folder / f"{name}.txt").write_text(value)
            kept_in.add(folder / f"{name}.txt")
    if request.param == "link":
        del settings["PANEL_PASSWORD"]
    foreign = secrets.token_urlsafe(24)
    table = bundled("breast_cancer")
    (folder / "data" / "raw").mkdir(parents=True)
    table.to_csv(folder / "data" / "raw" / "table.csv", index=False)
    children, ended, pages = Children(), threading.Event(), dict[str, bytes]()
    with panel(folder, CYCLE_INTERVAL_S="86400", **{FOREIGN: foreign}, **settings) as running:
        watch = threading.Thread(target=children.watch, args=(running.process.pid, ended))
        watch.start()
        try:
            running.wait_for_services()
            run = running.run(params={})
            assert run["state"] == "succeeded", run
            until(lambda: _is_recorded(running, run["id"]), within_s=90, what="MLflow has the record")
            if request.param == "link":
                values["PANEL_PASSWORD"] = _printed_token(running)
            session = _log_in(running, values["PANEL_PASSWORD"], by_link=request.param == "link")
            pages |= _crawl(running, session)
            pages |= _fetch(running, values["API_KEY"])
        finally:
            ended.set()
            watch.join()
        cli_token = (folder / "state" / "cli-token").read_text().strip()
        kept_in |= {folder / "state" / "cli-token", folder / "state" / "keys" / "api_key"}
        found = {**values, "PANEL_API_TOKEN": TOKEN, FOREIGN: foreign, "cli-token": cli_token, "session": session}
        yield Leavings(found, frozenset(kept_in), folder, children, pages)


def test_children_are_given_no_secret_when_they_are_started(leavings: Leavings) -> None:
    commands = b"\n".join(text for name, text in leavings.children.seen.items() if "cmdline" in name)
    for part in (b"forkserver", b"app.prediction", b"app.frontend", b"app.tracking_server", b"tracking.delivery"):
        assert part in commands
    assert b"app.prediction.reload.verify" in commands
    assert _found(leavings, leavings.children.seen) == []


def test_no_page_shows_a_secret_when_it_is_fetched(leavings: Leavings) -> None:
    assert len(leavings.pages) > 40, sorted(leavings.pages)
    assert _found(leavings, leavings.pages) == []


def test_no_file_holds_a_secret_when_a_run_has_ended(leavings: Leavings) -> None:
    """Database, logs, run folders, processed data, models, MLflow's store, and what the panel printed."""
    files = [path for path in leavings.folder.rglob("*") if path.is_file() and path not in leavings.kept_in]
    names = {path.name for path in files}
    assert {"panel.db", "mlflow.db", "log.jsonl", "panel.log", "manifest.json", "record.json", "api.log"} <= names
    assert _found(leavings, {str(path): path.read_bytes() for path in files}) == []


def test_only_their_owner_may_read_files_when_the_panel_has_written_them(leavings: Leavings) -> None:
    written = [leavings.folder / "state", leavings.folder / "models", leavings.folder / "data" / "processed"]
    paths = [path for folder in written for path in (folder, *folder.rglob("*")) if not path.is_symlink()]
    assert len(paths) > 50
    # Under root MLflow is another user, who may pass through the folder of the state to its own and to the access list.
    state = leavings.folder / "state"
    passed = {state: 0o010, state / "access": 0o055, state / "access" / "access.json": 0o044}
    passed = passed if os.geteuid() == 0 else {}
    assert [str(path) for path in paths if path.stat().st_mode & 0o077 & ~passed.get(path, 0)] == []


def _found(leavings: Leavings, texts: Mapping[str, bytes]) -> list[str]:
    """Return where each secret is found, as it is or in base64 at any of its three alignments."""
    found = []
    for name, value in leavings.secrets.items():
        plain = value.encode()
        shapes = [plain, *(base64.b64encode(b" " * n + plain)[n + 1 : -4].rstrip(b"=") for n in range(3))]
        found += [f"{name} in {place}" for place, text in texts.items() if any(shape in text for shape in shapes)]
    return found


def _is_recorded(running: RunningPanel, run_id: str) -> bool:
    return bool(running.client.get(f"/api/v1/runs/{run_id}").raise_for_status().json()["mlflow_run_id"])


def _printed_token(running: RunningPanel) -> str:
    """Return the token of the link that the panel has printed, and take the link out of what it has printed."""
    path = running.folder / "panel.log"
    text = path.read_text("utf-8")
    [token] = re.findall(r"Control panel: \S+/login\?token=(\S+)", text)
    with path.open("r+", encoding="utf-8") as file:  # the panel writes on after its old end
        file.write(text.replace(token, "-" * len(token), 1))
    return str(token)


def _log_in(running: RunningPanel, secret: str, *, by_link: bool) -> str:
    """Return the token of the session that the password, or the token of the printed link, opens."""
    base = str(running.client.base_url).rstrip("/")
    with httpx2.Client(base_url=base, headers={"Origin": base}, trust_env=False) as browser:
        if by_link:
            answer = browser.get("/login", params={"token": secret})
        else:
            answer = browser.post("/login", data={"password": secret})
        assert answer.status_code == 303, answer.text
        return str(answer.cookies[f"panel_session_{running.ports['PANEL_PORT']}"])


def _crawl(running: RunningPanel, session: str) -> dict[str, bytes]:
    """Return the pages that a person who is logged in reaches, and the panel's JSON."""
    base = str(running.client.base_url).rstrip("/")
    port = running.ports["PANEL_PORT"]
    pages: dict[str, bytes] = {}
    open_links = [*STARTS, *(f"/api/v1/{name}" for name in JSON)]
    with httpx2.Client(
        base_url=base,
        headers={"Accept": "text/html"},
        cookies={f"panel_session_{port}": session},
        trust_env=False,
        timeout=60,
    ) as browser:
        while open_links and len(pages) < MAX_PAGES:
            path = open_links.pop(0)
            if path in pages or "/static/" in path:
                continue
            with browser.stream("GET", path) as answer:
                pages[path] = str(answer.headers).encode()
                if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                    pages[path] += answer.read()
            for link in LINK.findall(pages[path]):
                target = urlsplit(urljoin(f"{base}{path}", link.decode().replace("&amp;", "&")))
                if target.netloc == urlsplit(base).netloc:
                    open_links.append(target.path + (f"?{target.query}" if target.query else ""))
    return pages


def _fetch(running: RunningPanel, key: str) -> dict[str, bytes]:
    """Return what API, app and MLflow answer, to who has the key and to who has not."""
    pages: dict[str, bytes] = {}
    paths = {
        "API_PORT": (
            "/",
            "/docs",
            "/openapi.json",
            "/metrics",
            "/version",
            "/livez",
            "/readyz",
            "/predict",
            "/nothing",
        ),
        "APP_PORT": ("/", "/table", "/what-if", "/nothing"),
        "MLFLOW_PORT": ("/", "/version", "/api/2.0/mlflow/experiments/search?max_results=9"),
    }
    for port, names in paths.items():
        for who, token in {"nobody": "", "key": key, "token": TOKEN, "stranger": "wrong"}.items():
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            with httpx2.Client(headers=headers, trust_env=False, timeout=60) as client:
                for name in names:
                    answer = client.get(f"http://127.0.0.1:{running.ports[port]}{name}")
                    pages[f"{port} {name} {who}"] = str(answer.headers).encode() + answer.content
    return pages
