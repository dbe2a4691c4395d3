"""The one shape of errors over HTTP."""

import pytest

from app.panel.auth.problems import TooManyLoginsError
from app.web.problem_response import problem_response
from tests.builders.problems import problem


@pytest.mark.parametrize("status", [429, 503, 507])
def test_says_when_to_come_back_when_the_cause_passes(status: int) -> None:
    response = problem_response(problem("DB-02", "The disk is full.", status=status))
    assert response.headers["retry-after"] == "5"


def test_says_how_long_to_wait_when_the_problem_knows() -> None:
    response = problem_response(TooManyLoginsError(1.2))
    assert response.headers["retry-after"] == "2"


def test_keeps_the_time_that_is_given_when_there_is_one() -> None:
    response = problem_response(problem("API-05", "No model yet.", status=503), headers={"Retry-After": "30"})
    assert response.headers.getlist("retry-after") == ["30"]


def test_names_no_time_when_waiting_does_not_help() -> None:
    assert "retry-after" not in problem_response(problem("RUN-02", "No such run.", status=404)).headers
