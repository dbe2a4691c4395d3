"""The forkserver goes with the panel, at each moment of its life."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.panel.runs.stage_process.launcher import PRELOAD
from app.processes.child import CODE_DIR
from app.processes.tree import is_running
from bench.wait import until

pytestmark = pytest.mark.process

# The thread that starts the forkserver ends at once.
PANEL = """
import sys, threading
from app.panel.runs.stage_process.launcher import Launcher
thread = threading.Thread(target=Launcher(preload=sys.argv[1:]).start)
thread.start()
thread.join()
print("started", flush=True)
threading.Event().wait(600)
"""


def test_forkserver_dies_with_the_panel_and_not_before_when_it_still_imports(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    env = {**os.environ, "SLOW_PRELOAD_FILE": str(note), "PYTHONPATH": str(CODE_DIR)}
    preload = (PRELOAD[0], "tests.app.panel.runs.slow_preload", PRELOAD[-1])
    with subprocess.Popen(
        [sys.executable, "-c", PANEL, *preload], env=env, cwd=CODE_DIR, stdout=subprocess.PIPE
    ) as panel:
        try:
            assert panel.stdout is not None
            assert panel.stdout.readline() == b"started\n"
            pid = int(until(note.read_text, what="the forkserver imports", not_yet=(FileNotFoundError,)))
            assert is_running(pid)
        finally:
            panel.kill()
    until(lambda: not is_running(pid), what="the forkserver is gone")


def test_forkserver_ends_at_once_when_the_panel_died_before_its_first_import() -> None:
    alive_r, alive_w = os.pipe()
    os.close(alive_w)
    code = f"'multiprocessing.forkserver main(0, {alive_r}, '; import {PRELOAD[0]}; print('imported')"
    child = subprocess.run(
        [sys.executable, "-c", code], cwd=CODE_DIR, pass_fds=[alive_r], capture_output=True, check=False
    )
    os.close(alive_r)
    assert (child.returncode, child.stdout) == (1, b"")
