"""The image: what it is made of, and from what."""

import json
import re
import secrets
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from bench.compose_stack import ROOT, docker
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


def test_it_says_what_it_was_built_from_when_it_is_inspected(image: str) -> None:
    labels = json.loads(docker("image", "inspect", "-f", "{{json .Config.Labels}}", image))
    default = re.search(r"^ARG BASE=(\S+)$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert default is not None
    assert labels["org.opencontainers.image.base.name"] == default[1]


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
