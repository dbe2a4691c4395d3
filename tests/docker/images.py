"""The Docker command line, and a tiny image that holds the fake service."""

import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
RECIPE = """
FROM python:3.13-slim
COPY container/health.sh /srv/container/health.sh
COPY tests/fakes/service.py /srv/service.py
WORKDIR /srv
ENV PYTHONUNBUFFERED=1
"""


def docker(*args: str, timeout_s: float = 120.0) -> str:
    """The Docker command line; its output."""
    done = subprocess.run(["docker", *args], capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="session")
def fake_image() -> Iterator[str]:
    """Id of an image with the fake service; gone afterwards."""
    tag = f"amlp-fake:{secrets.token_hex(4)}"
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        (context / "Dockerfile").write_text(RECIPE)
        for name in ("container/health.sh", "tests/fakes/service.py"):
            (context / name).parent.mkdir(parents=True, exist_ok=True)
            (context / name).write_bytes((ROOT / name).read_bytes())
        docker("build", "-q", "-t", tag, folder)
    yield docker("image", "inspect", "-f", "{{.Id}}", tag)
    docker("image", "rm", "-f", tag)
