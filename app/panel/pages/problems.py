"""Problems with a request that occur before or outside of a route's own work."""

from typing import Self

from pipeline.core.problems import ProblemError


class PageNotFoundError(ProblemError):
    """Page not found.

    The address leads nowhere: the link is old or was mistyped. Start from the home page.
    """

    id = "WEB-04"
    status = 404

    def __init__(self, path: str) -> None:
        super().__init__("Page not found.", why=f"There is nothing at {path[:200]!r}.", fix="Start from the home page.")


class InternalError(ProblemError):
    """Internal error.

    An unexpected error. The panel keeps running; the details are in the panel's own output under the request id that
    the page shows. Try again, and report it with that output if it persists.
    """

    id = "WEB-05"
    status = 500

    def __init__(self, request_id: str) -> None:
        super().__init__(
            "Internal error.",
            why=f"The details are in the panel's output, under {request_id}.",
            fix="Try again; if it persists, report it with that output.",
        )


class InvalidRequestError(ProblemError):
    """The request is not valid.

    A value in the request is missing or has the wrong form, or the address does not accept the method; the message says
    which. Correct it and send the request again.
    """

    id = "WEB-06"

    @classmethod
    def not_answered(cls, status: int, detail: str) -> Self:
        """Return the problem of a request that the web framework refuses, for example because of its method."""
        return cls("The request cannot be answered.", why=f"{detail}.", status=status)

    @classmethod
    def invalid_field(cls, field: str, message: str) -> Self:
        """Return the problem of a value that is missing or wrong; without a name of the field, of the whole body."""
        return cls(
            "The request is not valid.",
            why=f"{field or 'The body'}: {message}.",
            fix="Correct it and send the request again.",
            status=422,
        )
