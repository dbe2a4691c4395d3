"""A machine beyond this one: an address that answers whoever it can answer, and knows no way back into Docker's networks."""

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}
ROUTER, ADDRESS, PORT = "198.51.100.1", "198.51.100.2", 9000


@contextlib.contextmanager
def a_machine_outside() -> Iterator[tuple[str, int]]:
    """Yield address and port of a listener in a network namespace behind a cable, as an address in the internet is.

    Packets reach it from everywhere; its answers find only this machine, so that nobody is answered whose packets this
    machine does not send as its own.
    """
    if os.geteuid() != 0 or shutil.which("ip") is None:
        if IN_CI:
            pytest.fail("a machine outside needs root and iproute2")
        pytest.skip("a machine outside needs root and iproute2")
    name = f"out{secrets.token_hex(3)}"
    _ip("netns", "add", name)
    try:
        _ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("addr", "add", f"{ROUTER}/30", "dev", name)
        _ip("link", "set", name, "up")
        _ip("-n", name, "addr", "add", f"{ADDRESS}/30", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        command = ["ip", "netns", "exec", name, sys.executable, "-u", "-m", "http.server", str(PORT)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
            assert server.stdout is not None
            assert b"Serving" in server.stdout.readline()
            try:
                yield ADDRESS, PORT
            finally:
                server.kill()
    finally:
        _ip("netns", "del", name)


def _ip(*args: str) -> None:
    subprocess.run(["ip", *args], check=True, capture_output=True, timeout=10)
