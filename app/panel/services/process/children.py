"""Child processes that do not outlive the panel: started from one thread, ended with all that they started."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psutil

from app.panel.services.protocol import TITLES, ServiceSpec
from pipeline.core.problems import ProblemError

OWNER_VARIABLE: Final = "ML_PIPELINE_OWNER"
HERE: Final = Path(__file__).parent
# Variables that a program needs to work at all; nothing of the panel's secrets is among them.
KEPT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "SYSTEMROOT")
POLL_S: Final = 0.01


@dataclass
class Child:
    """A started service. `exit_code` is set once it has ended, `owns_port` once it was seen listening on `port`."""

    process: subprocess.Popen[bytes]
    digest: str
    port: int
    instance_id: str
    started_at: datetime
    exit_code: int | None = None
    owns_port: bool = False

    @property
    def pid(self) -> int:
        """Of the leader, which is also the number of its process group."""
        return self.process.pid


class Children:
    """Starts and ends children. `owner` marks them, so that those of a killed panel are found by the next one."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        # PR_SET_PDEATHSIG fires when the *thread* that started the child ends: this one lives as long as the panel.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="service-starter")
        self._guard: subprocess.Popen[bytes] | None = None
        self._listed: set[int] = set()
        self._lock = threading.Lock()

    def start(self, spec: ServiceSpec, cwd: Path, output: int) -> Child:
        """A new child in a session of its own that writes to `output`. Raises SVC-01 if it cannot be started."""
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        env = {**kept, "PYTHONUNBUFFERED": "1", **spec.env, OWNER_VARIABLE: self._owner}
        command = [sys.executable, "-I", "-S", str(HERE / "exec_shim.py"), str(os.getpid()), *spec.argv]
        try:
            process = self._starter.submit(self._start, command, env, cwd, output).result()
        except OSError as error:
            raise ProblemError(
                "SVC-01",
                f"{TITLES[spec.name]} cannot be started.",
                why=f"{error.strerror or error}.",
                fix="See whether the machine is out of processes or memory.",
                command="ml-pipeline doctor",
                retryable=True,
                status=503,
            ) from error
        self._tell("+", process.pid)
        started_at = datetime.now(UTC)
        instance_id = f"{process.pid}-{started_at.timestamp():.6f}"
        return Child(process, spec.digest, spec.listen_port, instance_id, started_at)

    def poll(self, child: Child) -> int | None:
        """Its exit code, or None while it lives; what it left behind is ended with it."""
        if child.exit_code is None and _has_ended(child.pid):
            self._reap(child, ())
        return child.exit_code

    def end(self, child: Child, grace_s: float) -> None:
        """Return when it is gone with everything that it started: TERM, wait, KILL."""
        if self.poll(child) is not None:
            return
        family = descendants(child.pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + grace_s
        while not _has_ended(child.pid) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        self._reap(child, family)

    def family(self, child: Child) -> list[psutil.Process]:
        """The child and all that it started, as far as they live."""
        try:
            return [psutil.Process(child.pid), *descendants(child.pid)]
        except psutil.Error:
            return []

    def sweep(self) -> int:
        """End what a killed panel left behind: processes that carry our owner mark. Returns how many there were."""
        n_found = 0
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.pid != os.getpid() and process.environ().get(OWNER_VARIABLE) == self._owner:
                    process.kill()
                    n_found += 1
        return n_found

    def close(self) -> None:
        """Let the starter thread and the guard go; children that still live end with them."""
        self._starter.shutdown(wait=True)
        with self._lock:
            if self._guard is not None and self._guard.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    self._guard.stdin.close()
                self._guard.wait()
                self._guard = None

    def _start(self, command: list[str], env: dict[str, str], cwd: Path, output: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _reap(self, child: Child, family: tuple[psutil.Process, ...] | list[psutil.Process]) -> None:
        # Until it is waited for, a dead leader keeps its number, so the group that is killed here is still its own.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        for process in family:
            with contextlib.suppress(psutil.Error):
                process.kill()
        child.exit_code = child.process.wait()
        self._tell("-", child.pid)

    def _tell(self, sign: str, group: int) -> None:
        """Keep the guard's list; a guard that is gone is started again and told everything."""
        with self._lock:
            self._listed = self._listed | {group} if sign == "+" else self._listed - {group}
            if self._guard is not None and self._write(f"{sign}{group}\n"):
                return
            self._guard = self._new_guard()
            self._write("".join(f"+{number}\n" for number in sorted(self._listed)))

    def _write(self, text: str) -> bool:
        assert self._guard is not None
        assert self._guard.stdin is not None
        try:
            self._guard.stdin.write(text.encode())
            self._guard.stdin.flush()
        except BrokenPipeError:
            self._guard.wait()
            return False
        return True

    def _new_guard(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(HERE / "reaper.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", "")},
            start_new_session=True,
        )


def descendants(pid: int) -> list[psutil.Process]:
    """What a process started, at any depth; empty if it is gone."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def _has_ended(pid: int) -> bool:
    """Whether a child of ours has ended; it is not waited for, so its number is not given away."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True
