"""A tiny image that holds the fake service."""

import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.compose_stack import ROOT, docker

RECIPE = """
FROM python:3.13-slim
COPY container/health.sh /srv/container/health.sh
COPY tests/fakes/service.py /srv/service.py
COPY app/web/port_keeper.py /srv/app/web/port_keeper.py
RUN mkdir -p /state/ports && chown 10001:10001 /state/ports
WORKDIR /srv
ENV PYTHONUNBUFFERED=1
"""


@pytest.fixture(scope="session")
def fake_image() -> Iterator[str]:
    """Id of an image with the fake service; gone afterwards."""
    tag = f"amlp-fake:{secrets.token_hex(4)}"
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        (context / "Dockerfile").write_text(RECIPE)
        for name in ("container/health.sh", "tests/fakes/service.py", "app/web/port_keeper.py"):
            (context / name).parent.mkdir(parents=True, exist_ok=True)
            (context / name).write_bytes((ROOT / name).read_bytes())
        docker("build", "-q", "-t", tag, folder)
    yield docker("image", "inspect", "-f", "{{.Id}}", tag)
    docker("image", "rm", "-f", tag)
