"""Starts a child in a session of its own, which dies with this process or outlives it, and ends it with all that it started."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from app.processes.environment import clean
from app.processes.tree import end_tree, identity, is_running, signal_group

T = TypeVar("T")

SHIM: Final = Path(__file__).with_name("exec_shim.py")
# The folder that holds the packages `app` and `pipeline`: as the working folder of `python -m`, it is searched first.
CODE_DIR: Final = Path(__file__).resolve().parent.parent.parent
_DRAIN_S: Final = 1.0  # how long a killed child's pipes may stay open: what has escaped may hold them
# PR_SET_PDEATHSIG fires when the *thread* that started the child ends: this one lives as long as the process.
_starter: Final = ThreadPoolExecutor(1, thread_name_prefix="process-starter")


def in_lasting_thread(call: Callable[[], T]) -> T:
    """Return what `call` returns in a thread that lives as long as this process: its children may die with their parent."""
    return _starter.submit(call).result()


def start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
    stderr: int = subprocess.DEVNULL,
    outlives: bool = False,
    memory_bytes: int = 0,
    user_id: int = 0,
) -> "ChildProcess":
    """Start `argv`, whose first member is an absolute path. From any thread; raises OSError if it cannot be started.

    It is killed when this process ends, however that happens, unless it `outlives` it; where the kernel does not offer
    that (macOS), only `end` ends it. `env` None: the basic variables of this process, without any secret.

    With `memory_bytes` it may allocate no more private memory than that, each process of it, and what it writes is
    readable by its user only; with `user_id`, which only root may ask for, it runs as that user and group. It never
    gains privileges.
    """
    confinement = (str(memory_bytes), str(user_id))
    parent = 0 if outlives else os.getpid()
    command = [sys.executable, "-I", "-S", str(SHIM), str(parent), *confinement, *argv]

    def popen() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            env=clean() if env is None else env,
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )

    return ChildProcess(in_lasting_thread(popen))


async def run(
    argv: Sequence[str],
    data: bytes | None = None,
    *,
    timeout_s: float,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
    stderr: int = subprocess.DEVNULL,
) -> "Finished":
    """Start `argv` and return what it wrote when it has ended; raises as `start` and `ChildProcess.communicate`.

    When the task is cancelled, the child is killed, also one that is being started at this moment.
    """
    children: list[ChildProcess] = []
    cancelled = threading.Event()

    def start_and_wait() -> Finished:
        child = start(argv, stdin=stdin, stdout=stdout, stderr=stderr)
        children.append(child)
        if cancelled.is_set():
            child.kill()
        return child.communicate(data, timeout_s=timeout_s)

    try:
        return await asyncio.to_thread(start_and_wait)
    except asyncio.CancelledError:
        cancelled.set()
        for child in children:
            child.kill()
        raise


class Finished(NamedTuple):
    """A child that has ended: -N as exit code if signal N ended it; what it wrote, b"" where that was no pipe."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class ChildProcess:
    """A started child, leader of its session. One caller at a time, but for `kill`, which any thread may call."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid

    @property
    def exit_code(self) -> int | None:
        """Its exit code, -N if signal N ended it; None as long as `poll`, `end` or `communicate` has not seen its end."""
        return self._process.returncode

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs; what it left in its process group is killed with its end."""
        if self.exit_code is None and not is_running(self.pid):
            # Until it is waited for, a dead leader keeps its number, so the group that is killed here is its own.
            signal_group(self.pid, signal.SIGKILL)
            self._reap()
        return self.exit_code

    def is_alive(self) -> bool:
        """Return whether it runs; see `poll`."""
        return self.poll() is None

    def leave(self) -> None:
        """Forget it: it goes on without us, and was started so that it may. Nothing else may be called afterwards."""
        self._process.returncode = 0  # or Popen would warn that nobody waits for it

    def kill(self) -> None:
        """Kill it with all that it started, without waiting."""
        if self.exit_code is None:
            end_tree(identity(self.pid), 0.0)

    def end(self, grace_s: float) -> None:
        """Return when it is gone with all that it started: TERM, wait at most `grace_s`, KILL."""
        if self.poll() is None:
            end_tree(identity(self.pid), grace_s)
            self._reap()

    def communicate(self, data: bytes | None = None, *, timeout_s: float) -> Finished:
        """Send `data` to its stdin and return what it wrote when it has ended.

        Raises TimeoutError when that takes too long, and then it is killed with all that it started.
        """
        try:
            stdout, stderr = self._process.communicate(data, timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            self.kill()
            self._drain()
            self._reap()
            raise TimeoutError(f"It did not end within {timeout_s:g} s.") from error
        return Finished(self._reap(), stdout or b"", stderr or b"")

    def _drain(self) -> None:
        try:
            self._process.communicate(timeout=_DRAIN_S)
        except subprocess.TimeoutExpired:
            for pipe in (self._process.stdout, self._process.stderr):
                if pipe is not None:
                    pipe.close()

    def _reap(self) -> int:
        return self._process.wait()
