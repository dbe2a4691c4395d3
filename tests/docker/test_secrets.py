"""Password, token and key from files: they work, and nobody who may inspect containers reads them."""

import re
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from bench.compose_stack import SERVICES, TOKEN, Stack, call, docker, stack_of

pytestmark = pytest.mark.docker
PASSWORD = "violet-tractor-orbit-19-lantern"
KEY = "k3y-of-the-api-5a1c7e90d2b84f36"
ALL = ("panel", *SERVICES)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Up with `compose.secrets.yaml`; the files belong to root, as they do where `docker` is run with sudo."""
    with stack_of(tmp_path_factory.mktemp("clone"), f"amlp-sec-{secrets.token_hex(3)}") as project:
        folder = project.folder / "secrets"
        folder.mkdir(mode=0o700)
        for name, text in (("panel_password", PASSWORD), ("panel_api_token", TOKEN), ("api_key", KEY)):
            (folder / name).write_text(f"{text}\n")
            (folder / name).chmod(0o600)
        project.env.update(COMPOSE_FILE="compose.yaml:compose.secrets.yaml", PANEL_API_TOKEN="")
        project.compose("build", "--quiet")
        project.compose("up", "-d")
        project.until(project.is_healthy, within_s=120, what="all services answer")
        yield project


def in_container(stack: Stack, name: str, script: str) -> str:
    """Return what the script prints as the user that the service, or the panel, runs as."""
    user = str((stack.folder / "data").stat().st_uid) if name == "panel" else stack.inspect(name)["Config"]["User"]
    return docker("exec", "-u", user, stack.container(name), "bash", "-c", f"{script}; true")


def status_of_prediction(stack: Stack, headers: dict[str, str]) -> int:
    try:
        call(f"{stack.url('API_PORT')}/predict", {"age": 45}, headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    return 200


@pytest.mark.timeout(600)
def test_no_secret_is_shown_when_anything_is_inspected(stack: Stack) -> None:
    """Neither by the engine nor in the environment and the arguments of any process."""
    shown = {name: str(stack.inspect(name)) for name in ALL}
    shown |= {f"log of {name}": docker("logs", stack.container(name)) for name in ALL}
    every = "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'"
    shown |= {f"processes of {name}": in_container(stack, name, every) for name in ALL}
    shown["image"] = docker("history", "--no-trunc", stack.project) + docker("image", "inspect", stack.project)
    shown["compose"] = stack.compose("config")
    found = [(where, secret) for where, text in shown.items() for secret in (PASSWORD, TOKEN, KEY) if secret in text]
    assert found == []
    assert all("API_KEY" in shown[f"processes of {name}"] for name in ("api", "app")), (
        "what was read is the environment"
    )


def test_the_password_is_asked_for_when_it_is_in_a_file(stack: Stack) -> None:
    (link,) = re.findall(r"http://\S+/login\S*", stack.compose("logs", "panel"))
    assert link.endswith("/login"), "a link that logs in is printed only where there is no password"


def test_the_key_is_asked_for_when_it_is_in_a_file(stack: Stack) -> None:
    assert status_of_prediction(stack, {}) == 401
    assert status_of_prediction(stack, {"Authorization": f"Bearer {KEY}"}) == 503, "there is no model yet"


def test_only_api_and_app_have_the_key_when_they_were_started(stack: Stack) -> None:
    files = {name: in_container(stack, name, "cat /state/keys/api_key 2>&1") for name in ALL}
    assert [name for name in ALL if files[name].strip() == KEY] == ["panel", "api", "app"]
    for name in ("api", "app"):
        assert "Read-only" in in_container(stack, name, "{ echo x > /state/keys/api_key; } 2>&1")
    assert in_container(stack, "panel", "stat -c %a /state/keys /state/keys/api_key").split() == ["700", "600"]


def test_api_and_app_are_replaced_when_the_key_was_changed(stack: Stack) -> None:
    before = {name: stack.inspect(name)["Id"] for name in SERVICES}
    (stack.folder / "secrets" / "api_key").write_text("another-key-that-nobody-knows\n")
    stack.compose("up", "-d", "--force-recreate", "panel")
    for name in ("api", "app"):
        stack.until(lambda name=name: stack.inspect(name)["Id"] != before[name], within_s=60, what=f"a new {name}")  # type: ignore[misc]
    with_old_key = {"Authorization": f"Bearer {KEY}"}
    stack.until(lambda: status_of_prediction(stack, with_old_key) == 401, within_s=60, what="the old key is refused")
    stack.until(stack.is_healthy, within_s=60, what="all healthy")
    assert stack.inspect("mlflow")["Id"] == before["mlflow"]


@pytest.mark.timeout(600)
def test_an_upload_needs_disk_and_no_memory_when_it_is_larger_than_the_memory_for_files(stack: Stack) -> None:
    """/tmp is memory and holds 256 MB; what is uploaded is on the disk from its first megabyte on."""
    # Many bytes and few cells: one that does not fit the memory of a run is refused.
    rows = b"a,b\n" + (b"x" * 1021 + b",2\n") * (300 * 2**10)
    replace = b'--x\r\nContent-Disposition: form-data; name="replace"\r\n\r\ntrue\r\n'
    head = replace + b'--x\r\nContent-Disposition: form-data; name="file"; filename="large.csv"\r\n\r\n'
    request = urllib.request.Request(
        f"{stack.url('PANEL_PORT')}/api/v1/datasets",
        head + rows + b"\r\n--x--\r\n",
        {"Content-Type": "multipart/form-data; boundary=x", "Authorization": f"Bearer {TOKEN}"},
    )
    with urllib.request.urlopen(request, timeout=300) as answer:
        assert answer.status == 201
    assert (stack.folder / "data" / "raw" / "large.csv").stat().st_size == len(rows)
    mounts = in_container(stack, "panel", "grep ' /tmp ' /proc/mounts").split()[3].split(",")
    assert {"noexec", "nosuid", "nodev", "size=262144k"} <= set(mounts)
