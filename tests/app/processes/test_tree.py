"""Descendants of a process are known by more than their number, and end with it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.processes.tree import descendants, end_tree, identity, is_running, kill_descendants, kill_group, parent
from bench.wait import until
from tests.app.processes.processes import SLEEP, double_fork

pytestmark = pytest.mark.process
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(SLEEP, start_new_session=True)
    yield process
    process.kill()
    process.wait()


def test_it_is_the_same_process_when_pid_and_start_are_the_same(sleeper: subprocess.Popen[bytes]) -> None:
    noted = identity(sleeper.pid)
    assert noted["pid"] == sleeper.pid
    assert identity(sleeper.pid) == noted
    assert identity(os.getpid()) != noted
    assert parent(sleeper.pid) == os.getpid()


def test_it_runs_no_more_when_it_is_a_zombie_or_gone(sleeper: subprocess.Popen[bytes]) -> None:
    assert is_running(sleeper.pid)
    sleeper.kill()
    until(lambda: not is_running(sleeper.pid), what="the sleeper ends")  # nobody has waited for it yet
    sleeper.wait()
    assert not is_running(sleeper.pid)
    assert (identity(sleeper.pid), parent(sleeper.pid), descendants(sleeper.pid)) == ({}, None, [])


def test_a_stranger_lives_when_the_pid_was_given_out_again(sleeper: subprocess.Popen[bytes]) -> None:
    noted = {**identity(sleeper.pid), "started_ticks": 1}
    kill_group(noted)
    end_tree(noted, 0.1)
    end_tree({}, 0.1)
    assert sleeper.poll() is None
    kill_group(identity(sleeper.pid))
    assert sleeper.wait(10) == -signal.SIGKILL


@pytest.mark.parametrize(("code", "expected"), [(SLEEP[-1], -signal.SIGTERM), (STUBBORN, -signal.SIGKILL)])
def test_it_is_asked_and_then_killed_when_it_is_ended(code: str, expected: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    if code == STUBBORN:
        process.stdout.readline()
    end_tree(identity(process.pid), 0.3 if code == STUBBORN else 10.0)
    assert process.wait(10) == expected
    process.stdout.close()


def test_it_is_ended_alone_when_it_leads_no_group() -> None:
    process = subprocess.Popen(SLEEP)
    end_tree(identity(process.pid), 10.0)
    assert process.wait(10) == -signal.SIGTERM


def test_nothing_below_it_lives_when_descendants_are_killed(tmp_path: Path) -> None:
    """The grandchild leads a session of its own, so that no signal to the group would reach it."""
    process = subprocess.Popen(
        [sys.executable, "-c", double_fork(tmp_path / "pid", orphan=False)], start_new_session=True
    )
    until((tmp_path / "pid").exists, what="the grandchild writes its pid")
    grandchild = int((tmp_path / "pid").read_text())
    assert descendants(process.pid)[-1] == grandchild
    kill_descendants(process.pid)
    until(lambda: not is_running(grandchild), what="the grandchild ends")
    assert is_running(process.pid)
    process.kill()
    process.wait()
