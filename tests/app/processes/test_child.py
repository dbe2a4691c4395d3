"""A child leads a session of its own, and nothing of it outlives its parent or its end."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from app.processes.adopted import adopt
from app.processes.child import ChildProcess, Finished, run, start
from app.processes.tree import descendants, identity, is_running
from bench.wait import until, until_async
from tests.app.processes.processes import SLEEP, double_fork

pytestmark = pytest.mark.process
ECHO = (sys.executable, "-c", "import sys; sys.stdout.write(sys.stdin.read()); sys.stderr.write('why'); sys.exit(3)")
PARENT = """
import sys, time
from app.processes.child import start
print(start([sys.executable, "-c", "import time; time.sleep(600)"]).pid, flush=True)
time.sleep(600)
"""


def piped(*argv: str) -> ChildProcess:
    return start(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_it_leads_its_own_session_when_it_runs() -> None:
    child = start(SLEEP)
    assert os.getsid(child.pid) == os.getpgid(child.pid) == child.pid
    assert child.poll() is None
    child.end(5.0)
    assert (child.exit_code, child.poll()) == (-signal.SIGTERM, -signal.SIGTERM)


def test_it_lives_on_when_the_thread_that_asked_for_it_has_ended() -> None:
    children: list[ChildProcess] = []
    thread = threading.Thread(target=lambda: children.append(piped(*ECHO)))
    thread.start()
    thread.join()
    assert children[0].communicate(b"still here", timeout_s=20.0).stdout == b"still here"


def test_it_dies_when_its_parent_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert is_running(pid)
    parent.kill()
    parent.communicate()
    until(lambda: not is_running(pid), what="the child ends")


def test_it_lives_on_when_its_parent_is_killed_and_it_was_started_to_outlive_it() -> None:
    code = PARENT.replace('600)"])', '600)"], outlives=True)')
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = adopt(identity(int(parent.stdout.readline())))
    assert child is not None
    until(lambda: b"sleep(600)" in Path(f"/proc/{child.pid}/cmdline").read_bytes(), what="the command is executed")
    parent.kill()
    parent.communicate()
    assert child.is_alive()
    child.end(5.0)
    assert not child.is_alive()


def test_nobody_waits_for_it_when_it_was_left() -> None:
    child = start(SLEEP, outlives=True)
    noted = identity(child.pid)
    child.leave()
    del child
    adopted = adopt(noted)
    assert adopted is not None
    adopted.end(5.0)


def test_what_it_left_in_its_group_ends_when_it_has_ended_by_itself(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys; from pathlib import Path;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "child.returncode = 0; Path(sys.argv[1]).write_text(str(child.pid))"
    )
    child = start([sys.executable, "-c", code, str(tmp_path / "pid")])
    until(lambda: child.poll() is not None, what="the child ends")
    assert child.exit_code == 0
    until(lambda: not is_running(int((tmp_path / "pid").read_text())), what="its own child ends")


def test_what_left_its_session_ends_too_when_it_is_ended(tmp_path: Path) -> None:
    child = start([sys.executable, "-c", double_fork(tmp_path / "pid", orphan=False)])
    until((tmp_path / "pid").exists, what="its own child writes its pid")
    child.end(5.0)
    until(lambda: not is_running(int((tmp_path / "pid").read_text())), what="its own child ends")


def test_its_output_and_exit_code_are_known_when_it_has_ended() -> None:
    child = piped(*ECHO)
    assert child.communicate(b"hello", timeout_s=20.0) == Finished(3, b"hello", b"why")
    assert child.exit_code == 3


def test_nothing_is_kept_when_its_output_is_no_pipe() -> None:
    assert start(ECHO, stdin=subprocess.PIPE).communicate(b"hello", timeout_s=20.0) == Finished(3, b"", b"")


def test_nothing_waits_for_it_when_it_takes_too_long(tmp_path: Path) -> None:
    """An orphan of it holds the pipes open, and would keep whoever reads them waiting."""
    child = piped(sys.executable, "-c", double_fork(tmp_path / "pid", orphan=True))
    until((tmp_path / "pid").exists, what="its own child writes its pid")
    start_s = time.monotonic()
    with pytest.raises(TimeoutError):
        child.communicate(timeout_s=0.2)
    assert time.monotonic() - start_s < 10
    assert child.exit_code == -signal.SIGKILL
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


@pytest.mark.parametrize("is_running_first", [True, False])
def test_it_is_killed_when_the_task_that_waits_for_it_is_cancelled(tmp_path: Path, is_running_first: bool) -> None:
    """Also when it was only about to be started."""
    started = tmp_path / "started"
    code = f"from pathlib import Path; import time; Path({str(started)!r}).touch(); time.sleep(600)"

    async def cancel_soon() -> None:
        waiting = asyncio.create_task(run([sys.executable, "-c", code], timeout_s=60.0))
        await asyncio.sleep(0)
        if is_running_first:
            await until_async(started.exists, what="the command starts")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    others = set(descendants(os.getpid()))
    start_s = time.monotonic()
    asyncio.run(cancel_soon())  # which waits for the thread that waits for the child
    assert time.monotonic() - start_s < 20
    assert set(descendants(os.getpid())) <= others


def test_it_is_run_to_its_end_when_nobody_cancels() -> None:
    finished = asyncio.run(run(ECHO, b"hello", timeout_s=20.0, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
    assert finished == Finished(3, b"hello", b"")
    with pytest.raises(TimeoutError):
        asyncio.run(run(SLEEP, timeout_s=0.1))


def test_it_gets_no_secret_when_no_environment_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "hush")
    child = piped(sys.executable, "-c", "import os; print(sorted(os.environ))")
    names = child.communicate(timeout_s=20.0).stdout
    assert b"'PATH'" in names
    assert b"SOME_TOKEN" not in names


def test_the_error_says_why_when_it_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        start(SLEEP, cwd=tmp_path / "missing")


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root may change the user of a process")
def test_it_is_another_user_without_privileges_when_that_is_asked_for() -> None:
    child = start(("/bin/sleep", "600"), user_id=60617, memory_bytes=2**28)
    until(lambda: Path(f"/proc/{child.pid}/comm").read_text() == "sleep\n", what="the command is executed")
    status = Path(f"/proc/{child.pid}/status").read_text()
    child.end(5.0)
    assert "Uid:\t60617\t60617\t60617\t60617\n" in status
    assert "Gid:\t60617\t60617\t60617\t60617\n" in status
    assert "Groups:\t \n" in status
    assert "CapEff:\t0000000000000000\n" in status
    assert "NoNewPrivs:\t1\n" in status
    assert child.exit_code == -signal.SIGTERM


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root may change the user of a process")
def test_it_dies_with_its_parent_when_it_is_another_user() -> None:
    code = PARENT.replace(
        '[sys.executable, "-c", "import time; time.sleep(600)"]', '["/bin/sleep", "600"], user_id=60617'
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    until(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n", what="the command is executed")
    parent.kill()
    parent.communicate()
    until(lambda: not is_running(pid), what="the child ends")
