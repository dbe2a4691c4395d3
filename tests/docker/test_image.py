"""The image: what it is made of, and from what."""

import json
import re
import secrets
import subprocess
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from bench.compose_stack import ROOT, docker
from bench.wait import until
from tests.docker.registry import registry_with

pytestmark = pytest.mark.docker
LOCKED = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """Tag of the image, built as `docker compose build` builds it; gone afterwards."""
    tag = f"amlp-image:{secrets.token_hex(4)}"
    docker("build", "-q", "-t", tag, str(ROOT), timeout_s=900)
    yield tag
    docker("image", "rm", "-f", tag)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("environment", "within", "without"),
    [
        ("panel", {"mlflow", "scikit-learn", "fastapi", "docker"}, {"pip", "uv", "cyclonedx-bom"}),
        ("serve", {"onnxruntime", "numpy", "fastapi"}, {"mlflow", "scikit-learn", "docker", "pip"}),
    ],
)
def test_every_package_is_listed_with_its_version_when_the_image_was_built(
    image: str, environment: str, within: set[str], without: set[str]
) -> None:
    text = docker("run", "--rm", "--entrypoint", "cat", image, f"/srv/sbom/{environment}.cdx.json")
    bill: dict[str, Any] = json.loads(text)
    listed = {normal(component["name"]): component for component in bill["components"]}
    locked = dict(LOCKED.findall((ROOT / f"requirements/{environment}.txt").read_text("utf-8")))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert within <= listed.keys()
    assert not without & listed.keys()
    # Some that are locked are for other systems; nothing is there that is not locked.
    assert {name: component["version"] for name, component in listed.items()}.items() <= {
        normal(name): version for name, version in locked.items()
    }.items()
    assert listed["fastapi"]["purl"] == f"pkg:pypi/fastapi@{locked['fastapi']}"
    packages = f"/opt/{environment}/lib/python3*/site-packages"
    command = f"find {packages} -maxdepth 1 -name '*.dist-info' | wc -l"
    there = docker("run", "--rm", "--entrypoint", "bash", image, "-c", command)
    assert len(listed) == int(there)


def labels_of(image: str) -> dict[str, str]:
    """Return the image's standard labels, by the end of their names."""
    labels: dict[str, str] = json.loads(docker("image", "inspect", "-f", "{{json .Config.Labels}}", image))
    prefix = "org.opencontainers.image."
    return {name.removeprefix(prefix): value for name, value in labels.items() if name.startswith(prefix)}


def test_it_says_what_it_is_when_it_is_inspected(image: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    default = re.search(r"^ARG BASE=(\S+)$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert default is not None
    assert labels_of(image) == {
        "title": project["name"],
        "description": project["description"],
        "version": project["version"],
        "licenses": project["license"],
        "base.name": default[1],
        "base.digest": "",
        "revision": "",
        "created": "",
    }


def test_it_says_where_it_is_from_when_the_build_was_told(image: str) -> None:
    told = {"BASE_DIGEST": f"sha256:{'0' * 64}", "REVISION": "0123456789abcdef", "CREATED": "2026-01-02T03:04:05Z"}
    arguments = [word for name, value in told.items() for word in ("--build-arg", f"{name}={value}")]
    other = docker("build", "-q", *arguments, str(ROOT), timeout_s=280)
    try:
        labels = labels_of(other)
        assert [labels[name] for name in ("base.digest", "revision", "created")] == list(told.values())
        layers = "{{json .RootFS.Layers}}"
        assert docker("image", "inspect", "-f", layers, other) == docker("image", "inspect", "-f", layers, image)
    finally:
        docker("image", "rm", other)


@pytest.mark.parametrize("command", [(), ("python", "-m", "app.prediction"), ("python", "-m", "app.frontend")])
@pytest.mark.parametrize("options", [(), ("--init",)])
def test_it_is_healthy_when_it_is_run_without_compose(image: str, command: tuple[str, ...], options: list[str]) -> None:
    """By the check of the image; tried at once, where the engine would wait for ten seconds."""
    volumes = [word for folder in ("/state", "/models", "/data") for word in ("-v", folder)]
    container = docker("run", "-d", "--rm", *volumes, *options, image, *command)
    check = json.loads(docker("inspect", "-f", "{{json .Config.Healthcheck.Test}}", container))
    try:
        until(
            lambda: docker("exec", container, *check[1:]) == "",
            within_s=60,
            interval_s=0.2,
            what="the check passes",
            not_yet=(AssertionError,),
        )
    finally:
        docker("rm", "-fv", container)


def test_what_is_installed_is_said_when_it_is_built() -> None:
    """A build takes minutes at its first time; `--quiet` left them without a word."""
    recipes = (ROOT / "Dockerfile").read_text("utf-8") + (ROOT / "container/install.sh").read_text("utf-8")
    assert "quiet" not in recipes


@pytest.mark.timeout(300)
def test_the_base_is_the_one_with_that_digest_when_it_is_given_by_digest() -> None:
    with registry_with("python:3.13-slim") as reference:
        build = ["docker", "build", "-q", "--target", "source", "--build-arg"]
        docker("image", "rm", docker(*build[1:], f"BASE={reference}", str(ROOT), timeout_s=280))
        other = reference[:-8] + "00000000"
        refused = subprocess.run(
            [*build, f"BASE={other}", str(ROOT)], check=False, capture_output=True, text=True, timeout=280
        )
    assert refused.returncode != 0
    assert "not found" in refused.stderr
