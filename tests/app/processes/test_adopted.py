"""A process that is no child of ours is watched and ended by its identity."""

import os
import signal
import subprocess

import pytest

from app.processes.adopted import adopt
from app.processes.tree import Identity, identity, is_running
from tests.app.processes.processes import SLEEP

pytestmark = pytest.mark.process


def test_it_is_known_until_its_end_when_it_is_adopted() -> None:
    process = subprocess.Popen(SLEEP, start_new_session=True)
    adopted = adopt(identity(process.pid))
    assert adopted is not None
    assert (adopted.pid, adopted.exit_code, adopted.is_alive()) == (process.pid, None, True)
    adopted.leave()
    assert adopted.is_alive()
    adopted.end(5.0)
    assert not adopted.is_alive()  # although nobody has waited for it yet
    assert process.wait(10) == -signal.SIGTERM
    assert not adopted.is_alive()
    adopted.end(5.0)


def test_it_is_nobody_when_another_process_has_its_pid() -> None:
    own = identity(os.getpid())
    earlier: Identity = {name: value if name == "pid" else f"not {value}" for name, value in own.items()}
    for noted in (earlier, Identity(), Identity(pid="1")):
        assert adopt(noted) is None
    assert is_running(os.getpid())


def test_it_is_nobody_when_it_has_ended_and_nobody_has_waited_for_it() -> None:
    process = subprocess.Popen(SLEEP)
    noted = identity(process.pid)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert adopt(noted) is None
    process.wait()
