"""Waiting for the state of a service under test."""

from app.panel.services.protocol import Observed, Runtime, State
from bench.wait import until


def observed(runtime: Runtime, *states: State, within_s: float = 20.0) -> Observed:
    """Return the first observation of the API in one of the states."""

    def look() -> Observed:
        seen = runtime.observe("api")
        assert seen.state in states, seen
        return seen

    return until(look, within_s=within_s, interval_s=0.05, what=" or ".join(states), not_yet=(AssertionError,))
