"""What the panel does by itself waits for its database, and for nothing else."""

import threading

import pytest

from app.panel.db import patience
from app.panel.db.patience import patiently
from app.panel.db.problems import DatabaseLockedError


class Flaky:
    """Fails with `errors`, one at each call, then returns the number of the call."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = [*errors]
        self.n_calls = 0

    def __call__(self) -> int:
        self.n_calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.n_calls


def test_call_is_repeated_when_the_database_is_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "RETRY_S", 0.001)
    assert patiently(Flaky(DatabaseLockedError(5), DatabaseLockedError(5)), "test", threading.Event()) == 3


def test_problem_is_raised_after_one_try_when_it_must_stop() -> None:
    stop, call = threading.Event(), Flaky(DatabaseLockedError(5), DatabaseLockedError(5))
    stop.set()
    with pytest.raises(DatabaseLockedError):
        patiently(call, "test", stop)
    assert call.n_calls == 1


def test_any_other_error_is_raised_at_once() -> None:
    call = Flaky(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        patiently(call, "test", threading.Event())
    assert call.n_calls == 1
