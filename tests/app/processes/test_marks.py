"""Processes with a mark are found, whoever started them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.processes.marks import kill_marked
from app.processes.tree import is_running
from bench.wait import until
from tests.app.processes.processes import SLEEP, double_fork

pytestmark = pytest.mark.process


def test_only_what_lies_below_the_mark_is_killed_when_others_run_too() -> None:
    values = ("mine", "mine/stage/1", "mine2", "theirs/mine")
    processes = [subprocess.Popen(SLEEP, env={**os.environ, "TEST_MARK": value}) for value in values]
    try:
        until(lambda: kill_marked("TEST_MARK", "mine") == 0, what="nothing marked is left")
        assert [process.wait(10) for process in processes[:2]] == [-signal.SIGKILL] * 2
        assert [process.poll() for process in processes[2:]] == [None, None]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_an_orphan_is_killed_when_it_inherited_the_mark(tmp_path: Path) -> None:
    code = double_fork(tmp_path / "pid", orphan=True)
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "TEST_MARK": str(tmp_path)})
    until((tmp_path / "pid").exists, what="the orphan writes its pid")
    orphan = int((tmp_path / "pid").read_text())
    assert kill_marked("TEST_MARK", str(tmp_path)) >= 2
    assert process.wait(10) == -signal.SIGKILL
    until(lambda: not is_running(orphan), what="the orphan ends")


def test_what_is_spared_lives_with_all_below_it_when_others_have_the_same_mark(tmp_path: Path) -> None:
    environ = {**os.environ, "TEST_MARK": str(tmp_path)}
    code = double_fork(tmp_path / "pid", orphan=False)
    spared = subprocess.Popen([sys.executable, "-c", code], env=environ)
    other = subprocess.Popen(SLEEP, env=environ)
    until((tmp_path / "pid").exists, what="the grandchild writes its pid")
    grandchild = int((tmp_path / "pid").read_text())
    try:
        until(lambda: kill_marked("TEST_MARK", str(tmp_path), spare=spared.pid) == 1, what="the other one is found")
        assert other.wait(10) == -signal.SIGKILL
        assert kill_marked("TEST_MARK", str(tmp_path), spare=spared.pid) == 0
        assert (spared.poll(), is_running(grandchild)) == (None, True)
    finally:
        kill_marked("TEST_MARK", str(tmp_path))
        spared.wait()
        other.wait()


def test_this_process_lives_when_it_carries_the_mark_itself() -> None:
    code = "import os; from app.processes.marks import kill_marked; print(kill_marked('TEST_MARK', 'own'))"
    environ = {**os.environ, "TEST_MARK": "own"}
    assert subprocess.run([sys.executable, "-c", code], env=environ, check=True, capture_output=True).stdout == b"0\n"
