"""Ports: free, taken, not permitted."""

import os
import socket

import pytest

from app.panel.services.process.ports import check_free
from bench.ports import free_port
from pipeline.core.problems import ProblemError


def test_a_free_port_passes_when_nobody_listens() -> None:
    check_free("127.0.0.1", free_port(), "API_PORT")


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_the_holder_and_another_port_are_named_when_a_port_is_taken(address: str) -> None:
    with socket.socket() as other:
        other.bind((address, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ProblemError, match="PORT-01") as caught:
            check_free("127.0.0.1", port, "API_PORT")
    assert f"(process {os.getpid()})" in caught.value.what
    assert "API_PORT" in caught.value.fix
    assert caught.value.command.startswith("API_PORT=")
    assert f"API_PORT={port} " not in caught.value.command


def test_the_address_is_named_when_it_is_not_of_this_machine() -> None:
    with pytest.raises(ProblemError, match="PORT-02"):
        check_free("203.0.113.1", 8000, "API_PORT")
