"""The end of a process is told at once, whoever its parent is."""

import os
import signal
import subprocess
import threading

import pytest

from app.processes.child import start
from app.processes.ends import when_ended
from app.processes.tree import is_running
from bench.wait import until
from tests.app.processes.processes import SLEEP

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="this system does not tell"),
]


def test_its_end_is_told_when_a_child_is_killed_and_it_can_still_be_polled() -> None:
    child, ended = start(SLEEP), threading.Event()
    when_ended(child.pid, ended.set)
    assert not ended.is_set()
    os.kill(child.pid, signal.SIGKILL)
    assert ended.wait(20)
    assert child.poll() == -signal.SIGKILL


def test_its_end_is_told_when_it_is_the_child_of_another_process() -> None:
    shell = subprocess.run(
        ["sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!"], capture_output=True, text=True, check=True
    )
    pid, ended = int(shell.stdout), threading.Event()
    when_ended(pid, ended.set)
    assert not ended.is_set()
    os.kill(pid, signal.SIGKILL)
    assert ended.wait(20)
    until(lambda: not is_running(pid), within_s=20, what="it is gone")


def test_nothing_is_told_when_it_has_ended_before() -> None:
    child, ended = start(SLEEP), threading.Event()
    child.end(5.0)
    when_ended(child.pid, ended.set)
    assert not ended.is_set()
