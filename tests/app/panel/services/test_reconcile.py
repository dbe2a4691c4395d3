"""The rules by which services are kept running: a table, and random histories."""

import itertools
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.panel.services.protocol import ABSENT, Observed, ServiceSpec, State
from app.panel.services.reconcile import HEALTHY_S, NOTHING, Memory, decide, delay_s, failed

SPEC = ServiceSpec(
    name="api",
    argv=(sys.executable,),
    env={},
    port=8000,
    port_setting="API_PORT",
    listen_port=8000,
    host="127.0.0.1",
    ready_path="/livez",
    memory_bytes=2**30,
    cpus=1.0,
    pids=10,
    start_s=30.0,
)
ALIVE = Observed("running", digest=SPEC.digest, instance_id="a")
STARTING = replace(ALIVE, state="starting")
EXITED = replace(ALIVE, state="exited", exit_code=1)
SEEN = Memory(instance_id="a", was_ready=True, ready_at=0.0)
UNSEEN = Memory(instance_id="a", silent_at=0.0)


@pytest.mark.parametrize(
    ("observed", "is_ready", "memory", "now", "expected"),
    [
        (ABSENT, False, NOTHING, 0.0, ("ensure", "starting")),
        (ALIVE, True, NOTHING, 0.0, ("none", "running")),
        (ALIVE, True, SEEN, 9.0, ("none", "running")),
        (ALIVE, False, SEEN, 9.0, ("none", "running")),
        (ALIVE, False, replace(SEEN, silent_at=5.0), 9.0, ("none", "unhealthy")),
        (ALIVE, False, replace(SEEN, silent_at=5.0), 25.0, ("restart", "unhealthy")),
        (STARTING, False, UNSEEN, 29.0, ("none", "starting")),
        (STARTING, False, UNSEEN, 30.0, ("restart", "unhealthy")),
        (replace(ALIVE, state="paused"), False, replace(SEEN, silent_at=0.0), 20.0, ("restart", "unhealthy")),
        (replace(ALIVE, digest="other"), True, SEEN, 9.0, ("ensure", "starting")),
        (EXITED, False, SEEN, 9.0, ("none", "backing-off")),
        (EXITED, False, Memory(n_failures=1, next_try=10.0), 9.9, ("none", "backing-off")),
        (EXITED, False, Memory(n_failures=1, next_try=10.0), 10.0, ("ensure", "starting")),
        (EXITED, False, Memory(n_failures=5, next_try=99.0), 10.0, ("none", "crash-looping")),
        (Observed("foreign"), False, Memory(n_failures=1, next_try=99.0), 10.0, ("none", "blocked")),
        (Observed("foreign"), False, Memory(n_failures=1, next_try=9.0), 10.0, ("ensure", "starting")),
    ],
)
def test_the_next_step_is_right_when_a_service_is_seen(
    observed: Observed, is_ready: bool, memory: Memory, now: float, expected: tuple[str, str]
) -> None:
    decision = decide(SPEC, observed, is_ready, memory, now)
    assert (decision.action, decision.state) == expected


def test_the_delay_doubles_up_to_a_minute_when_a_service_keeps_ending() -> None:
    assert [delay_s(n) for n in (1, 2, 3, 4, 5, 6, 7, 8, 100)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_it_is_called_crash_looping_when_it_ended_five_times_quickly() -> None:
    memory, now, shown = NOTHING, 0.0, []
    for life in range(6):
        alive = replace(ALIVE, instance_id=str(life))
        memory = decide(SPEC, alive, True, memory, now).memory
        decision = decide(SPEC, replace(alive, state="exited"), False, memory, now + 1)
        shown.append(decision.state)
        memory, now = decision.memory, decision.memory.next_try
    assert shown == ["backing-off"] * 4 + ["crash-looping"] * 2


def test_it_begins_again_with_a_second_when_it_was_healthy_for_ten_minutes() -> None:
    memory = replace(SEEN, n_failures=7)
    assert decide(SPEC, ALIVE, True, memory, HEALTHY_S - 1).memory.n_failures == 7
    healthy = decide(SPEC, ALIVE, True, memory, HEALTHY_S).memory
    ended = decide(SPEC, EXITED, False, healthy, HEALTHY_S + 1).memory
    assert (ended.n_failures, ended.next_try) == (1, HEALTHY_S + 2)


def test_an_end_is_counted_when_somebody_else_restarted_it_meanwhile() -> None:
    decision = decide(SPEC, replace(ALIVE, instance_id="b"), True, SEEN, 9.0)
    assert (decision.action, decision.memory.n_failures, decision.memory.n_restarts) == ("none", 1, 1)


def test_nothing_is_counted_when_it_was_replaced_for_a_new_spec() -> None:
    replaced = decide(SPEC, replace(ALIVE, digest="old"), True, SEEN, 9.0)
    after = decide(SPEC, replace(ALIVE, instance_id="b"), True, replaced.memory, 10.0)
    assert (after.memory.n_failures, after.state) == (0, "running")


def test_the_next_try_waits_when_what_was_started_was_gone_before_anybody_saw_it() -> None:
    memory, now, acted = NOTHING, 0.0, []
    for _ in range(320):
        decision = decide(SPEC, EXITED, False, memory, now)
        if decision.action == "ensure":
            acted.append(now)
        memory, now = decision.memory, now + 0.1
    assert [round(later - sooner) for sooner, later in itertools.pairwise(acted)] == [1, 2, 4, 8, 16]
    assert (memory.n_failures, memory.n_restarts) == (len(acted), 0)


def test_a_restart_is_counted_when_it_runs_again_and_not_when_it_is_only_tried() -> None:
    ended = decide(SPEC, EXITED, False, SEEN, 0.0).memory
    tried = failed(decide(SPEC, EXITED, False, ended, 1.0).memory, 1.0)
    again = decide(SPEC, EXITED, False, tried, 3.0).memory
    alive = decide(SPEC, replace(ALIVE, instance_id="b"), True, again, 3.1).memory
    assert (tried.n_restarts, alive.n_restarts) == (0, 1)


def test_it_is_replaced_ever_more_rarely_when_that_does_not_make_it_right() -> None:
    memory, now, acted = NOTHING, 0.0, []
    for look in range(700):
        wrong = replace(ALIVE, digest="edited", instance_id=str(look))
        decision = decide(SPEC, wrong, True, memory, now)
        if decision.action == "ensure":
            acted.append(now)
        memory, now = decision.memory, now + 0.1
    assert [round(later - sooner) for sooner, later in itertools.pairwise(acted)] == [1, 2, 4, 8, 16, 32]
    assert (memory.n_failures, memory.n_restarts) == (0, 0)


def test_it_is_mended_at_once_again_when_it_was_well_for_ten_minutes() -> None:
    edited = replace(ALIVE, digest="edited")
    mended = decide(SPEC, edited, True, replace(SEEN, n_mended=6), 9.0).memory
    well = decide(SPEC, ALIVE, True, decide(SPEC, ALIVE, True, mended, 10.0).memory, 10.0 + HEALTHY_S).memory
    assert (mended.n_mended, well.n_mended) == (7, 0)


def test_a_failed_start_waits_longer_when_it_fails_again() -> None:
    once = failed(NOTHING, 10.0)
    assert (once.next_try, failed(once, 20.0).next_try) == (11.0, 22.0)


STATES: tuple[State, ...] = ("absent", "starting", "running", "unhealthy", "paused", "exited", "foreign")
LOOKS = st.lists(
    st.tuples(
        st.sampled_from(STATES),
        st.sampled_from(("a", "b", "c")),
        st.sampled_from((SPEC.digest, "other")),
        st.booleans(),
        st.floats(min_value=0.05, max_value=30.0),
    ),
    max_size=60,
)


@given(LOOKS, st.booleans())
def test_actions_are_a_second_apart_and_a_good_service_is_left_alone_when_anything_happens(
    looks: list[tuple[State, str, str, bool, float]], fails: bool
) -> None:
    memory, now, acted = NOTHING, 0.0, float("-inf")
    for state, instance, digest, is_ready, passed_s in looks:
        now += passed_s
        observed = Observed(state, digest=digest, instance_id=instance)
        decision = decide(SPEC, observed, is_ready and state == "running", memory, now)
        memory = decision.memory
        if decision.action != "none":
            assert now - acted >= 1.0 - 1e-9
            acted = now
            memory = failed(memory, now) if fails else memory
        if state == "running" and digest == SPEC.digest and is_ready:
            assert (decision.action, decision.state) == ("none", "running")
            again = decide(SPEC, observed, True, memory, now)
            assert (again.action, again.state) == ("none", "running")


def test_two_specs_are_the_same_service_when_all_fields_are_equal() -> None:
    assert replace(SPEC).digest == SPEC.digest
    assert replace(SPEC, env={"A": "1"}).digest != SPEC.digest
    assert replace(SPEC, image="new").digest != SPEC.digest
