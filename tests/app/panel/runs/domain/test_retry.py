"""Retries after a failed attempt."""

import pytest

from app.panel.runs.domain.retry import ProcessExit, RetryPolicy, exit_problem
from tests.builders.problems import problem

PASSING = problem("RUN-10", "crashed", retryable=True)


def ended(
    exitcode: int | None,
    *,
    timed_out: bool = False,
    reported: dict[str, object] | None = None,
    out_of_memory: bool = False,
) -> ProcessExit:
    return ProcessExit(exitcode, timed_out, 600.0, reported, out_of_memory, 2**30)


def test_stage_is_tried_three_times_more_when_the_policy_says_so() -> None:
    policy = RetryPolicy(30.0, 3)
    assert [policy.allows_retry(PASSING, n) for n in (1, 2, 3, 4)] == [True, True, True, False]
    assert not RetryPolicy(30.0, 0).allows_retry(PASSING, 1)


def test_stage_is_not_tried_again_when_the_problem_would_stay() -> None:
    assert not RetryPolicy(30.0, 3).allows_retry(problem("DATA-01", "no table"), 1)


@pytest.mark.parametrize(
    ("end", "id", "retryable"),
    [
        (ended(-11), "RUN-10", True),
        (ended(-9), "RUN-11", True),
        (ended(-64), "RUN-10", True),
        (ended(0, timed_out=True), "RUN-12", True),
        (ended(-15, timed_out=True), "RUN-12", True),
        (ended(5), "RUN-13", True),
        (ended(-6, out_of_memory=True), "TRAIN-90", False),
        (ended(1, out_of_memory=True), "TRAIN-90", False),
        (ended(74), "DISK-03", True),
        (ended(74, reported=problem("DATA-01", "no table").as_dict()), "DATA-01", False),
        (ended(3, reported=problem("DATA-01", "no table").as_dict()), "DATA-01", False),
        (ended(3, reported=problem("NET-01", "away", retryable=True).as_dict()), "NET-01", True),
        (ended(1, reported=problem("TRAIN-99", "fault").as_dict()), "TRAIN-99", True),
    ],
)
def test_failure_has_the_right_name_when_an_attempt_ends(end: ProcessExit, id: str, retryable: bool) -> None:
    problem = exit_problem("train_model", end)
    assert problem is not None
    assert (problem.id, problem.retryable) == (id, retryable)


def test_there_is_no_failure_when_the_exit_is_clean() -> None:
    assert exit_problem("deploy", ended(0)) is None
