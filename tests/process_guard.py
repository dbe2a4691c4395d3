"""Fails a test that starts a process though it is not marked `process`, in the runs that leave out those marked."""

import multiprocessing.util
import sys
from typing import Any, Final

import pytest

EVENTS: Final = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "multiprocessing"}
# By these joblib counts the cores, once in a process, whichever test is the first to train.
COUNTS_CORES: Final = {"cat", "lscpu", "sysctl"}


class ProcessGuard:
    """A plugin: refuses to start a process while a test runs, and fails the test even where it swallows the refusal."""

    def __init__(self) -> None:
        self._test: str | None = None
        self._refusals: list[str] = []
        sys.addaudithook(self._audit)
        # The start of a worker or of the forkserver raises no audit event.
        spawn = vars(multiprocessing.util)["spawnv_passfds"]

        def guarded(*args: Any) -> Any:
            self._audit("multiprocessing", args)
            return spawn(*args)

        vars(multiprocessing.util)["spawnv_passfds"] = guarded

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Refuse from here on."""
        self._test = item.nodeid

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self) -> None:
        """Fail where a process was to be started."""
        self._test = None
        refusals, self._refusals = self._refusals, []
        if refusals:
            pytest.fail("\n".join(refusals), pytrace=False)

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if self._test is None or event not in EVENTS:
            return
        if event != "subprocess.Popen" or args[0] not in COUNTS_CORES:
            refusal = f"{self._test} starts a process ({event} {args}): set `pytestmark = pytest.mark.process`"
            self._refusals.append(refusal)
            raise RuntimeError(refusal)
