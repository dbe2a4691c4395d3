"""Problems of any id, for what handles problems whatever they are."""

from typing import Any

from pipeline.core.problems import ProblemError


def problem(id: str, what: str, **members: Any) -> ProblemError:
    """Return a problem with this id; `members` as ProblemError takes them."""
    any_problem = ProblemError(what, **members)
    any_problem.id = id
    return any_problem
