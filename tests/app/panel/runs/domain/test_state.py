"""The life of a run, as a table."""

from itertools import product

import pytest

from app.panel.runs.domain.state import ACTIVE, FINAL, NEXT, IllegalTransitionError, RunState, check_move


@pytest.mark.parametrize(("old", "new"), list(product(RunState, RunState)))
def test_move_is_refused_when_the_table_does_not_have_it(old: RunState, new: RunState) -> None:
    if new in NEXT[old]:
        check_move(old, new)
    else:
        with pytest.raises(IllegalTransitionError):
            check_move(old, new)


def test_every_active_state_leads_to_a_final_one_when_followed() -> None:
    for state in ACTIVE:
        reached, frontier = {state}, {state}
        while frontier:
            frontier = {after for old in frontier for after in NEXT[old]} - reached
            reached |= frontier
        assert reached & FINAL
        assert RunState.INTERRUPTED in reached


def test_nothing_follows_when_a_state_is_final() -> None:
    assert {RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.INTERRUPTED, RunState.SKIPPED} == FINAL
    assert all(state.is_final for state in FINAL)
    assert RunState.SUCCEEDED not in NEXT[RunState.CANCELLING]
