"""How fast one may guess."""

from app.panel.auth.throttle import FREE_TRIES, LONGEST_WAIT_S, MOST_ADDRESSES, Attempts


def test_guessing_slows_down_when_it_goes_on() -> None:
    attempts = Attempts()
    waits = []
    now_s = 0.0
    for _ in range(FREE_TRIES + 8):
        now_s += attempts.wait_s("a", now_s)
        attempts.failed("a", now_s)
        waits.append(attempts.wait_s("a", now_s))
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30, 30]
    assert attempts.wait_s("b", now_s) == 0
    assert attempts.wait_s("a", now_s + LONGEST_WAIT_S) == 0


def test_slate_is_clean_when_the_guess_was_right_or_long_ago() -> None:
    attempts = Attempts()
    for _ in range(FREE_TRIES):
        attempts.failed("a", 0)
        attempts.failed("b", 0)
    attempts.succeeded("a")
    assert (attempts.wait_s("a", 0), attempts.wait_s("b", 0), attempts.wait_s("b", 901)) == (0, 1, 0)


def test_everybody_waits_when_a_crowd_of_addresses_guesses_and_memory_stays_bounded() -> None:
    attempts = Attempts()
    for i in range(3 * MOST_ADDRESSES):
        attempts.failed(f"a{i}", float(i))
    assert attempts.wait_s("new", 3.0 * MOST_ADDRESSES) > 0
    assert len(attempts._failures) <= MOST_ADDRESSES + 1
