"""What is known of the panel's own container before anything runs."""

from pathlib import Path

import pytest

from app.panel.services import factory
from app.panel.services.docker.engine import Engine
from app.panel.settings import Settings
from pipeline.core.problems import ProblemError


@pytest.fixture
def no_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container with a folder where the engine's socket should be."""
    monkeypatch.setattr(factory, "own_container_id", lambda: "0" * 64)
    monkeypatch.setattr(factory, "SOCKET", str(tmp_path))
    monkeypatch.setattr(factory, "_engine", lambda: Engine(path=str(tmp_path), source="/dcoker.sock"))


@pytest.mark.usefixtures("no_socket")
def test_the_socket_is_what_is_wrong_when_containers_are_wanted_and_it_is_none() -> None:
    with pytest.raises(ProblemError, match=r"DOCKER_SOCK names /dcoker\.sock") as caught:
        factory.own_published_addresses(Settings(runtime="docker"))
    assert caught.value.id == "DOCK-01"


@pytest.mark.usefixtures("no_socket")
def test_nothing_is_known_when_no_engine_is_needed() -> None:
    assert factory.own_published_addresses(Settings(runtime="process")) is None
