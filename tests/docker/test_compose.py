"""`docker compose up -d` on a real engine, from the first page to the last container: one story, told in order."""

import re
import secrets
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from bench.compose_stack import SERVICES, TOKEN, UID, Stack, docker, stack_of

pytestmark = pytest.mark.docker
RUN_S = 240.0
ALL = (*SERVICES, "api-port")  # with the keeper of the API's port


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Built and up; taken down with all it has afterwards."""
    with stack_of(tmp_path_factory.mktemp("clone"), f"amlp-e2e-{secrets.token_hex(3)}") as project:
        project.compose("build", "--quiet")
        project.compose("up", "-d", "--wait")
        yield project


def started_at(stack: Stack) -> dict[str, str]:
    return {name: stack.inspect(name)["Id"] + stack.inspect(name)["State"]["StartedAt"] for name in SERVICES}


@pytest.mark.timeout(1200)
def test_the_link_is_in_the_log_when_the_command_of_the_readme_returns(stack: Stack) -> None:
    link = re.search(r"http://\S+/login\S+", stack.compose("logs", "panel"))
    assert link is not None
    assert stack.compose("exec", "-T", "panel", "ml-pipeline", "link").strip() == link[0]


def test_the_log_ends_with_link_and_checks_when_it_is_up(stack: Stack) -> None:
    stack.until(lambda: stack.panel("preflight"), within_s=60, what="the panel answers")
    log = stack.until(
        lambda: "Preflight checks:" in (text := stack.compose("logs", "panel")) and text, within_s=30, what="log"
    )
    link, *table = [line.split("|", 1)[-1].strip() for line in str(log).splitlines() if "|" in line]
    assert re.search(rf"http://\S+:{stack.ports['PANEL_PORT']}/login\S+", link)
    assert [line for line in table if line.startswith(("error", "warning"))] == []
    assert any(line.startswith("ok") and "Docker Engine" in line for line in table)


def test_all_services_answer_when_nobody_did_anything_else(stack: Stack) -> None:
    stack.until(stack.is_healthy, within_s=120, what="MLflow, API and app answer")
    assert stack.names() == {stack.container(name) for name in ("panel", *ALL)}
    listed = stack.compose("ps", "--format", "{{.Service}}").split()
    assert sorted(listed) == ["api", "api", "app", "mlflow", "panel"]


@pytest.mark.browser
def test_a_model_is_live_when_the_button_was_clicked_once(stack: Stack, browser: Browser) -> None:
    link = stack.until(
        lambda: re.search(r"http://\S+/login\S+", stack.compose("logs", "panel")), within_s=60, what="the login link"
    )
    assert isinstance(link, re.Match)
    with closing(browser.new_context()) as context:
        page = context.new_page()
        page.goto(link[0])
        page.get_by_role("button", name="Run pipeline", exact=True).first.click()
        page.wait_for_url(re.compile(r"/runs/\d+$"))
        expect(page.locator("#run-title")).to_contain_text("succeeded", timeout=RUN_S * 1000)
        expect(page.locator(".stage.is-succeeded")).to_have_count(4)
    answer = stack.predict()
    assert 0 <= answer["probability"] <= 1
    assert answer["model_version"] == 1


def test_no_library_has_prepared_to_report_when_a_model_was_trained_and_serves(stack: Stack) -> None:
    """ONNX Runtime keeps what it is about to send, and an identifier of the machine, in ~/.cache/Microsoft."""
    for name in ("panel", "api"):
        found = docker("exec", stack.container(name), "bash", "-c", "ls -a /tmp/.cache /tmp/.local 2>&1; true")
        assert "Microsoft" not in found
        assert "onnxruntime" not in found


def test_files_belong_to_the_user_when_the_panel_wrote_them(stack: Stack) -> None:
    files = [path for path in (stack.folder / "data").rglob("*") if path.is_file() and path.name != "README.md"]
    assert files
    owners = {path.stat().st_uid for path in files}
    assert owners == {(stack.folder / "data").stat().st_uid}
    assert owners in ({UID}, {(stack.folder / "compose.yaml").stat().st_uid})
    processes = [
        line.split(None, 2) for line in docker("top", stack.container("panel"), "-eo", "pid,uid,args").splitlines()
    ]
    users = {int(uid) for _, uid, args in processes[1:] if not args.startswith(("/sbin/docker-init", "/usr/bin/tini"))}
    assert users == owners, "nothing but init runs as root"


def test_only_the_panel_has_the_socket_and_only_the_api_the_models(stack: Stack) -> None:
    seen = {name: stack.inspect(name) for name in ("panel", *ALL)}
    mounts = {name: {m["Destination"]: m["RW"] for m in inspected["Mounts"]} for name, inspected in seen.items()}
    assert {name for name, inspected in mounts.items() if "/var/run/docker.sock" in inspected} == {"panel"}
    access = {"/state/access": False}
    assert mounts["api"] == {"/models": False, "/state/ports": False, **access}
    assert mounts["api-port"] == {"/state/ports": True}
    assert mounts["mlflow"] == {"/state/mlflow": True, **access}
    assert mounts["app"] == access
    images = {inspected["Image"] for inspected in seen.values()}
    assert len(images) == 1, "one image, and nothing was pulled or built for the services"
    for inspected in seen.values():
        host: dict[str, Any] = inspected["HostConfig"]
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert any(option.startswith("no-new-privileges") for option in host["SecurityOpt"])
        bindings = [b for bound in inspected["NetworkSettings"]["Ports"].values() for b in bound or []]
        is_published = inspected is not seen["api"]  # its keeper is
        assert (
            {"127.0.0.1"} <= {b["HostIp"] for b in bindings} <= {"127.0.0.1", "::1"} if is_published else not bindings
        )
    has_ipv6 = Path("/proc/net/if_inet6").exists() and "0000000001" in Path("/proc/net/if_inet6").read_text("ascii")
    published = {name: docker("port", stack.container(name)) for name in ("mlflow", "api-port", "app")}
    # Browsers try ::1 first for `localhost`: nobody else is to listen there.
    assert all(("[::1]:" in text or "::1:" in text) == has_ipv6 for text in published.values()), published
    for name in SERVICES:
        status = docker("exec", stack.container(name), "grep", "-E", "^(Uid|CapEff|NoNewPrivs)", "/proc/1/status")
        fields = dict(line.split(":\t") for line in status.splitlines())
        assert fields["Uid"].split()[0] not in {"0", ""}
        assert int(fields["CapEff"], 16) == 0
        assert fields["NoNewPrivs"] == "1"


def test_the_serving_environment_can_neither_train_nor_track(stack: Stack) -> None:
    code = "import importlib.util as u; print([m for m in ('pandas','sklearn','mlflow','docker') if u.find_spec(m)])"
    assert docker("exec", stack.container("api"), "/opt/serve/bin/python", "-c", code) == "[]"
    gone = "command -v gcc cc make git uv; find /opt /srv /root -name '*.whl' -o -name uv -o -name pip -o -name .cache"
    assert docker("exec", stack.container("api"), "bash", "-c", f"{gone}; true") == ""


def test_it_comes_back_when_it_was_killed_removed_or_paused(stack: Stack) -> None:
    before = started_at(stack)
    docker("kill", stack.container("api"))
    docker("rm", "-f", stack.container("app"))
    docker("pause", stack.container("mlflow"))
    stack.until(lambda: stack.predict()["model_version"] == 1, within_s=60, what="the API is back")
    stack.until(lambda: stack.inspect("app")["State"]["Running"], within_s=60, what="the app is back")
    stack.until(lambda: not stack.inspect("mlflow")["State"]["Paused"], within_s=60, what="MLflow goes on")
    stack.until(stack.is_healthy, within_s=60, what="all healthy again")
    assert started_at(stack).keys() == before.keys()


def test_nothing_is_touched_when_only_the_panel_restarts(stack: Stack) -> None:
    stack.until(stack.is_healthy, within_s=60, what="all healthy")
    before = started_at(stack)
    docker("kill", "--signal", "KILL", stack.container("panel"))
    docker("start", stack.container("panel"))
    stack.until(stack.is_healthy, within_s=60, what="the panel is back")
    assert started_at(stack) == before
    assert stack.panel("runs")["runs"][0]["state"] == "succeeded"


def test_a_new_model_goes_live_without_a_new_container(stack: Stack) -> None:
    before = started_at(stack)
    run = stack.panel("runs", {"params": {"seed": 7}})["id"]
    ended = stack.until(
        lambda: (detail := stack.panel(f"runs/{run}"))["finished_at"] and detail, within_s=RUN_S, what="the run ends"
    )
    assert ended["state"] == "succeeded"
    assert started_at(stack) == before
    stack.until(lambda: stack.panel(f"runs/{run}")["mlflow_run_id"], within_s=90, what="MLflow has the record")


def test_serving_goes_on_when_the_panel_is_taken_down(stack: Stack) -> None:
    before = started_at(stack)
    output = stack.compose("down")
    assert "in use" not in output
    assert "rror" not in output
    assert stack.names() == {stack.container(name) for name in ALL}
    assert stack.predict()["model_version"] >= 1
    start_s = time.monotonic()
    output = stack.compose("up", "-d")
    assert "rphan" not in output
    stack.until(stack.is_healthy, within_s=60, what="the panel has found its services")
    assert time.monotonic() - start_s < 30
    assert started_at(stack) == before
    assert [run["state"] for run in stack.panel("runs")["runs"]] == ["succeeded", "succeeded"]
    assert stack.panel("schedule")["armed"]


def test_the_command_line_runs_as_the_panels_user(stack: Stack) -> None:
    output = docker("exec", stack.container("panel"), "ml-pipeline", "status", timeout_s=60)
    assert "succeeded" in output or "version" in output


def test_only_what_changed_is_replaced_when_a_port_changed(stack: Stack) -> None:
    before = started_at(stack)
    stack.ports["APP_PORT"] += 1
    stack.compose("up", "-d")
    stack.until(lambda: stack.inspect("app")["Id"] not in before["app"], within_s=60, what="the app was replaced")
    stack.until(stack.is_healthy, within_s=60, what="all healthy")
    after = started_at(stack)
    assert {name for name in SERVICES if after[name] != before[name]} == {"app"}


def test_everything_comes_back_from_a_backup_when_all_volumes_are_gone(stack: Stack) -> None:
    """What docs/backups.md says, on an engine that knows nothing of the project, as on another machine."""
    live, runs = stack.panel("models")["live"], stack.panel("runs")["runs"]
    tracked = stack.panel(f"runs/{runs[0]['id']}")["mlflow_run_id"]
    stack.panel("backups", {})
    found = stack.until(
        lambda: (state := stack.panel("backups"))["backups"] and not state["progress"]["running_since"] and state,
        within_s=120,
        what="the backup is made",
    )
    name = found["backups"][0]["name"]
    address = f"{stack.url('PANEL_PORT')}/backups/files/{name}"
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        (stack.folder / name).write_bytes(answer.read())
    stack.compose("--profile", "all", "down", "-v")
    assert stack.left() == ""
    restore = ("ml-pipeline", "restore", "--replace", "/backup.tar.gz")
    output = stack.compose("run", "--rm", "-v", f"{stack.folder / name}:/backup.tar.gz:ro", "panel", *restore)
    assert "Restored: of " in output
    stack.compose("up", "-d", "--wait")
    stack.until(stack.is_healthy, within_s=120, what="all is back")
    stack.until(lambda: stack.predict()["model_version"] == live, within_s=60, what="the model is back")
    again = stack.panel("runs")["runs"]
    assert [run["id"] for run in runs] == [run["id"] for run in again[-len(runs) :]]
    assert stack.panel(f"runs/{runs[0]['id']}")["mlflow_run_id"] == tracked


def test_nothing_is_left_when_all_is_taken_down(stack: Stack, tmp_path: Path) -> None:
    output = stack.compose("--profile", "all", "down")
    assert "rror" not in output
    assert stack.names() == set()
    assert docker("network", "ls", "-q", "--filter", f"name={stack.project}") == ""
    volumes = {f"{stack.project}_{name}" for name in stack.compose("config", "--volumes").split()}
    assert set(docker("volume", "ls", "-q", "--filter", f"name={stack.project}").split()) == volumes
    stack.compose("up", "-d")
    stack.until(stack.is_healthy, within_s=90, what="all is back")
    stack.until(lambda: stack.predict()["model_version"] >= 1, within_s=30, what="the model is back")
    assert len(stack.panel("runs")["runs"]) >= 2
    stack.compose("--profile", "all", "down", "-v")
    assert stack.left() == ""
