"""Guessing a password is slow."""

from app.panel.auth.throttle import FREE_ATTEMPTS, MAX_ADDRESSES, MAX_WAIT_S, LoginThrottle


def test_guessing_slows_down_when_it_goes_on() -> None:
    throttle = LoginThrottle()
    waits = []
    now_s = 0.0
    for _ in range(FREE_ATTEMPTS + 8):
        now_s += throttle.wait_s("a", now_s)
        throttle.record_failure("a", now_s)
        waits.append(throttle.wait_s("a", now_s))
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30, 30]
    assert throttle.wait_s("b", now_s) == 0
    assert throttle.wait_s("a", now_s + MAX_WAIT_S) == 0


def test_slate_is_clean_when_the_guess_was_right_or_long_ago() -> None:
    throttle = LoginThrottle()
    for _ in range(FREE_ATTEMPTS):
        throttle.record_failure("a", 0)
        throttle.record_failure("b", 0)
    throttle.record_success("a")
    assert (throttle.wait_s("a", 0), throttle.wait_s("b", 0), throttle.wait_s("b", 901)) == (0, 1, 0)


def test_everybody_waits_when_a_crowd_of_addresses_guesses_and_memory_stays_bounded() -> None:
    throttle = LoginThrottle()
    for i in range(3 * MAX_ADDRESSES):
        throttle.record_failure(f"a{i}", float(i))
    assert throttle.wait_s("new", 3.0 * MAX_ADDRESSES) > 0
    assert len(throttle._failures) <= MAX_ADDRESSES + 1
