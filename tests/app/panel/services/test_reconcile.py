"""The rules by which services are kept running: a table, and random histories."""

import itertools
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.panel.services.protocol import ABSENT, Observed, ServiceSpec, State
from app.panel.services.reconcile import EMPTY, HEALTHY_S, RestartHistory, decide, delay_s, failed

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
WAS_READY = RestartHistory(instance_id="a", was_ready=True, ready_at=0.0)
NEVER_READY = RestartHistory(instance_id="a", unready_at=0.0)


@pytest.mark.parametrize(
    ("observed", "is_ready", "history", "now", "expected"),
    [
        (ABSENT, False, EMPTY, 0.0, ("ensure", "starting")),
        (ALIVE, True, EMPTY, 0.0, ("none", "running")),
        (ALIVE, True, WAS_READY, 9.0, ("none", "running")),
        (ALIVE, False, WAS_READY, 9.0, ("none", "running")),
        (ALIVE, False, replace(WAS_READY, unready_at=5.0), 9.0, ("none", "unhealthy")),
        (ALIVE, False, replace(WAS_READY, unready_at=5.0), 25.0, ("restart", "unhealthy")),
        (STARTING, False, NEVER_READY, 29.0, ("none", "starting")),
        (STARTING, False, NEVER_READY, 30.0, ("restart", "unhealthy")),
        (replace(ALIVE, state="paused"), False, replace(WAS_READY, unready_at=0.0), 20.0, ("restart", "unhealthy")),
        (replace(ALIVE, digest="other"), True, WAS_READY, 9.0, ("ensure", "starting")),
        (EXITED, False, WAS_READY, 4.9, ("none", "backing-off")),
        (EXITED, False, WAS_READY, 9.0, ("ensure", "starting")),
        (EXITED, False, RestartHistory(n_failures=1, next_try=10.0), 9.9, ("none", "backing-off")),
        (EXITED, False, RestartHistory(n_failures=1, next_try=10.0), 10.0, ("ensure", "starting")),
        (EXITED, False, RestartHistory(n_failures=5, next_try=99.0), 10.0, ("none", "crash-looping")),
        (Observed("foreign"), False, RestartHistory(n_failures=1, next_try=99.0), 10.0, ("none", "blocked")),
        (Observed("foreign"), False, RestartHistory(n_failures=1, next_try=9.0), 10.0, ("ensure", "starting")),
    ],
)
def test_the_next_step_is_right_when_a_service_is_seen(
    observed: Observed, is_ready: bool, history: RestartHistory, now: float, expected: tuple[str, str]
) -> None:
    decision = decide(SPEC, observed, is_ready, history, now)
    assert (decision.action, decision.state) == expected


def test_the_delay_doubles_up_to_a_minute_when_a_service_keeps_ending() -> None:
    assert [delay_s(n) for n in (1, 2, 3, 4, 5, 6, 7, 8, 100)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_it_is_called_crash_looping_when_it_ended_five_times_quickly() -> None:
    history, now, shown = EMPTY, 0.0, []
    for life in range(6):
        alive = replace(ALIVE, instance_id=str(life))
        history = decide(SPEC, alive, True, history, now).history
        decision = decide(SPEC, replace(alive, state="exited"), False, history, now + 1)
        shown.append(decision.state)
        history, now = decision.history, decision.history.next_try
    assert shown == ["backing-off"] * 4 + ["crash-looping"] * 2


def test_it_begins_again_with_a_second_when_it_was_healthy_for_ten_minutes() -> None:
    history = replace(WAS_READY, n_failures=7)
    assert decide(SPEC, ALIVE, True, history, HEALTHY_S - 1).history.n_failures == 7
    healthy = decide(SPEC, ALIVE, True, history, HEALTHY_S).history
    ended = decide(SPEC, EXITED, False, healthy, HEALTHY_S + 1).history
    assert (ended.n_failures, delay_s(ended.n_failures)) == (1, 1)


def test_it_is_started_at_once_when_it_had_run_for_longer_than_the_delay() -> None:
    history, now, waited = EMPTY, 0.0, []
    for life in range(6):
        alive = replace(ALIVE, instance_id=str(life))
        history = decide(SPEC, alive, True, history, now).history
        now += 10
        ended = decide(SPEC, replace(alive, state="exited"), False, history, now)
        assert (ended.action == "ensure") == (ended.history.n_failures < 5)
        waited.append(0.0 if ended.action == "ensure" else ended.history.next_try - now)
        history, now = ended.history, now + waited[-1]
    assert waited == [0, 0, 0, 0, 6, 22]


def test_an_end_is_counted_when_somebody_else_restarted_it_meanwhile() -> None:
    decision = decide(SPEC, replace(ALIVE, instance_id="b"), True, WAS_READY, 9.0)
    assert (decision.action, decision.history.n_failures, decision.history.n_restarts) == ("none", 1, 1)


def test_nothing_is_counted_when_it_was_replaced_for_a_new_spec() -> None:
    replaced = decide(SPEC, replace(ALIVE, digest="old"), True, WAS_READY, 9.0)
    after = decide(SPEC, replace(ALIVE, instance_id="b"), True, replaced.history, 10.0)
    assert (after.history.n_failures, after.state) == (0, "running")


def test_the_next_try_waits_when_what_was_started_was_gone_before_anybody_saw_it() -> None:
    history, now, acted = EMPTY, 0.0, []
    for _ in range(320):
        decision = decide(SPEC, EXITED, False, history, now)
        if decision.action == "ensure":
            acted.append(now)
        history, now = decision.history, now + 0.1
    assert [round(later - sooner) for sooner, later in itertools.pairwise(acted)] == [1, 2, 4, 8, 16]
    assert (history.n_failures, history.n_restarts) == (len(acted), 0)


def test_a_restart_is_counted_when_it_runs_again_and_not_when_it_is_only_tried() -> None:
    ended = decide(SPEC, EXITED, False, WAS_READY, 0.0).history
    tried = failed(decide(SPEC, EXITED, False, ended, 1.0).history, 1.0)
    again = decide(SPEC, EXITED, False, tried, 3.0).history
    alive = decide(SPEC, replace(ALIVE, instance_id="b"), True, again, 3.1).history
    assert (tried.n_restarts, alive.n_restarts) == (0, 1)


def test_it_is_replaced_ever_more_rarely_when_that_does_not_make_it_right() -> None:
    history, now, acted = EMPTY, 0.0, []
    for look in range(700):
        wrong = replace(ALIVE, digest="edited", instance_id=str(look))
        decision = decide(SPEC, wrong, True, history, now)
        if decision.action == "ensure":
            acted.append(now)
        history, now = decision.history, now + 0.1
    assert [round(later - sooner) for sooner, later in itertools.pairwise(acted)] == [1, 2, 4, 8, 16, 32]
    assert (history.n_failures, history.n_restarts) == (0, 0)


def test_it_is_repaired_at_once_again_when_it_was_healthy_for_ten_minutes() -> None:
    edited = replace(ALIVE, digest="edited")
    repaired = decide(SPEC, edited, True, replace(WAS_READY, n_repairs=6), 9.0).history
    healthy = decide(SPEC, ALIVE, True, decide(SPEC, ALIVE, True, repaired, 10.0).history, 10.0 + HEALTHY_S).history
    assert (repaired.n_repairs, healthy.n_repairs) == (7, 0)


def test_a_failed_start_waits_longer_when_it_fails_again() -> None:
    once = failed(EMPTY, 10.0)
    assert (once.next_try, failed(once, 20.0).next_try) == (11.0, 22.0)


STATES: tuple[State, ...] = ("absent", "starting", "running", "unhealthy", "paused", "exited", "foreign")
OBSERVATIONS = st.lists(
    st.tuples(
        st.sampled_from(STATES),
        st.sampled_from(("a", "b", "c")),
        st.sampled_from((SPEC.digest, "other")),
        st.booleans(),
        st.floats(min_value=0.05, max_value=30.0),
    ),
    max_size=60,
)


@given(OBSERVATIONS, st.booleans())
def test_actions_are_a_second_apart_and_a_good_service_is_left_alone_when_anything_happens(
    looks: list[tuple[State, str, str, bool, float]], fails: bool
) -> None:
    history, now, acted = EMPTY, 0.0, float("-inf")
    for state, instance, digest, is_ready, passed_s in looks:
        now += passed_s
        observed = Observed(state, digest=digest, instance_id=instance)
        decision = decide(SPEC, observed, is_ready and state == "running", history, now)
        history = decision.history
        if decision.action != "none":
            assert now - acted >= 1.0 - 1e-9
            acted = now
            history = failed(history, now) if fails else history
        if state == "running" and digest == SPEC.digest and is_ready:
            assert (decision.action, decision.state) == ("none", "running")
            again = decide(SPEC, observed, True, history, now)
            assert (again.action, again.state) == ("none", "running")


def test_two_specs_are_the_same_service_when_all_fields_are_equal() -> None:
    assert replace(SPEC).digest == SPEC.digest
    assert replace(SPEC, env={"A": "1"}).digest != SPEC.digest
    assert replace(SPEC, image="new").digest != SPEC.digest
