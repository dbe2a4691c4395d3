"""Ports for servers that are about to be started."""

import contextlib
import random
import socket
from typing import Final

# Below the range from which connections take theirs, so that a port stays free until its server has it.
LOWEST: Final = 20_000
HIGHEST: Final = 32_000


def free_ports(n_ports: int) -> list[int]:
    """Return that many different ports of this machine on which nobody listens."""
    draw = random.SystemRandom()
    with contextlib.ExitStack() as probes:
        ports: list[int] = []
        while len(ports) < n_ports:
            port = draw.randint(LOWEST, HIGHEST)
            probe = probes.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                ports.append(port)
        return ports


def free_port() -> int:
    """Return a port of this machine on which nobody listens."""
    return free_ports(1)[0]
