"""A second engine of one's own, so that what happens to it touches nobody else's containers."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from bench.wait import until

# Takes the loopback interface up, as a new network has it down, and becomes the command.
WITH_LOOPBACK = """
import fcntl, os, socket, struct, sys
SET_FLAGS, UP_AND_RUNNING = 0x8914, 0x41
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    fcntl.ioctl(any_socket, SET_FLAGS, struct.pack("16sh22x", b"lo", UP_AND_RUNNING))
os.execvp(sys.argv[1], sys.argv[1:])
"""


class PrivateEngine:
    """`dockerd` with a socket, a data root and a network range of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "docker.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return when it answers."""
        with (self.folder / "dockerd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    # In a network of its own: an engine told to have no default bridge removes everybody's.
                    "unshare",
                    "--net",
                    sys.executable,
                    "-c",
                    WITH_LOOPBACK,
                    "dockerd",
                    f"--data-root={self.folder / 'data'}",
                    f"--exec-root={self.folder / 'exec'}",
                    f"--pidfile={self.folder / 'pid'}",
                    f"--host=unix://{self.socket}",
                    "--bridge=none",
                    "--iptables=false",
                    "--default-address-pool=base=10.213.0.0/16,size=24",
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self._is_up, within_s=60, interval_s=0.05, what="the private engine starts")

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "dockerd.log").read_text()[-2000:]
        return subprocess.run([*self.cli, "info"], capture_output=True, check=False).returncode == 0

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop it, or kill it; its containers end with it or are found by the next one."""
        if self._process is None:
            return
        self._process.send_signal(how)
        self._process.wait(timeout=60)
        self._process = None
        if how == signal.SIGKILL:
            self._bury()

    def _bury(self) -> None:
        """End what a killed engine leaves running; it would delay the next one by half a minute."""
        marker = str(self.folder).encode()
        for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if marker in cmdline.read_bytes() and int(cmdline.parent.name) != os.getpid():
                    os.kill(int(cmdline.parent.name), signal.SIGKILL)
        shutil.rmtree(self.folder / "exec", ignore_errors=True)
        (self.folder / "pid").unlink(missing_ok=True)

    @property
    def cli(self) -> list[str]:
        """Return the Docker command line for it."""
        return ["docker", "-H", f"unix://{self.socket}"]

    def docker(self, *args: str) -> str:
        """Run the command line; its output."""
        done = subprocess.run([*self.cli, *args], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()
