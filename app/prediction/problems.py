"""Problems with a request to the prediction API, whatever its protocol."""

from collections.abc import Sequence
from typing import Self

from pipeline.core.manifest import Scalar
from pipeline.core.problems import ProblemError


class InvalidBodyError(ProblemError):
    """The body is not JSON, or has no rows.

    Send one object `{feature: value}`, or a list of such objects with at least one in it, in UTF-8. `/docs` shows a
    request that works.
    """

    id = "API-02"

    def __init__(self, what: str, *, why: str) -> None:
        fix = "Send one object {feature: value}, or a list of such objects; /docs shows a request that works."
        super().__init__(what, why=why, fix=fix)

    @classmethod
    def not_json(cls, error: Exception) -> Self:
        """Return the problem for a body that a parser refused with `error`."""
        why = "It is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        return cls("The body is not valid JSON.", why=f"{why}.")

    @classmethod
    def no_rows(cls, why: str) -> Self:
        """Return the problem for JSON that holds no rows."""
        return cls("The body has no rows.", why=why)


class InvalidValuesError(ProblemError):
    """Some values cannot be used.

    `errors` names the row, the field, the value and what was expected for each of the first 20 values; `example` is a
    record that works. Features that you leave out or send as null are imputed as in training. Unknown names are
    refused, because a misspelt feature would otherwise be silently imputed.
    """

    id = "API-03"
    status = 422
    command = "curl -s http://127.0.0.1:8000/model"

    def __init__(self, errors: Sequence[dict[str, object]], *, n_errors: int, example: dict[str, Scalar]) -> None:
        first = errors[0]
        place = f"row {first['row']}, " if first["row"] is not None else ""
        super().__init__(
            f"{n_errors} value{'s' if n_errors > 1 else ''} cannot be used.",
            why=f"First: {place}field {first['field']!r}: {first['problem']}",
            fix="Send the model's features by name; those that you leave out or send as null are imputed.",
        )
        self.errors = errors
        self.example = example


class RequestTooLargeError(ProblemError):
    """The body is too large, or has too many rows.

    A request is limited by `API_MAX_BODY_BYTES` (64 MiB) and `API_MAX_ROWS` (200,000). Send the rows in parts, or as CSV
    to `/predict/csv`, which streams and has no such limit.
    """

    id = "API-04"
    status = 413

    def __init__(self, what: str, *, why: str) -> None:
        super().__init__(what, why=why, fix="Send the rows in parts, or as CSV to /predict/csv, which has no limit.")

    @classmethod
    def too_many_bytes(cls, max_bytes: int) -> Self:
        """Return the problem for a body of more than `max_bytes`."""
        return cls("The body is too large.", why=f"The limit is {max_bytes:,} bytes.")

    @classmethod
    def too_many_rows(cls, n_rows: int, max_rows: int) -> Self:
        """Return the problem for a request with `n_rows` rows."""
        return cls(f"{n_rows:,} rows are too many for one request.", why=f"The limit is {max_rows:,} rows.")


class SlowBodyError(ProblemError):
    """The body did not arrive in time.

    A client has `API_BODY_TIMEOUT_S` (60 s) to send the body of a request; a table for `/predict/csv` has one more
    second for each 16 KB that has arrived.
    """

    id = "API-06"
    status = 408

    def __init__(self, why: str) -> None:
        super().__init__("The body did not arrive in time.", why=why, fix="Send it faster, or in parts.")


class UnsupportedBodyError(ProblemError):
    """The body has a type that is not accepted here, or states none.

    Send `Content-Type: application/json` (UTF-8), or `text/csv` to `/predict/csv`; `/invocations` takes both, and
    Open Inference also `application/octet-stream`. Other types, and bodies without one, are refused, because a browser
    would send them for any web page without asking first. Compressed bodies (`Content-Encoding`) are not accepted
    either.
    """

    id = "API-07"
    status = 415

    @classmethod
    def other_than(cls, accepted: Sequence[str], content_type: str) -> Self:
        """Return the problem for a body that is declared as `content_type`, or as nothing, and not as one of `accepted`."""
        for_csv = " For CSV, use /predict/csv." if list(accepted) == ["application/json"] else ""
        return cls(
            f"Content-Type must be {' or '.join(accepted)} (UTF-8).",
            why=f"It is {content_type[:80]!r}." if content_type else "The request has none.",
            fix=f"Send the header Content-Type: {accepted[0]}.{for_csv}",
        )

    @classmethod
    def compressed(cls, content_encoding: str) -> Self:
        """Return the problem for a compressed body."""
        return cls(
            "The body is compressed.",
            why=f"Its Content-Encoding is {content_encoding[:40]!r}; a small body could decompress to any size.",
            fix="Send it uncompressed.",
        )


class UnauthorizedError(ProblemError):
    """The API key is missing or wrong.

    The API was started with `API_KEY` or `API_KEY_FILE`. Send the key as `Authorization: Bearer KEY` or
    `X-API-Key: KEY`.
    """

    id = "API-08"
    status = 401

    def __init__(self) -> None:
        super().__init__(
            "The API key is missing or wrong.",
            why="This API was started with API_KEY or API_KEY_FILE.",
            fix="Send the header Authorization: Bearer KEY.",
        )


class NoRouteError(ProblemError):
    """There is no such path, or not with this method.

    `/docs` lists all paths and methods.
    """

    id = "API-10"
    status = 404

    def __init__(self, reason: str, *, method: str, path: str, status: int) -> None:
        super().__init__(
            f"{reason}: {method} {path[:200]}.",
            why="The API has no such path, or not with this method.",
            fix="/docs lists all paths and methods.",
            status=status,
        )


class NonFiniteScoreError(ProblemError):
    """The model has no finite prediction for this input.

    The values are numbers, but so large that the result overflows. Send values in the range of the training data.
    """

    id = "API-15"
    status = 422

    def __init__(self, where: str) -> None:
        super().__init__(
            "The model has no finite prediction for this input.",
            why=f"{where} the result is too large to be a number.",
            fix="Send values in the range of the training data; GET /model shows it.",
        )


class UnexpectedError(ProblemError):
    """The request failed because of an internal error.

    The model cannot handle this input, or the API has a bug. The API's log, on the panel's Services page, has the
    details under the request id. After a deployment, such failures of the panel's own requests, or of those with the API
    key, make the panel roll back to the previous model.
    """

    id = "API-16"
    status = 500

    def __init__(self) -> None:
        super().__init__(
            "Internal error.",
            why="An unexpected error occurred; the API's log has the details.",
            fix="Look up the request id in the API's log, on the panel's Services page.",
        )


class HostNotAllowedError(ProblemError):
    """The API does not answer to that host name.

    The API has no key, and the request names a public host: a web page could have pointed its own name at this machine
    to read the responses (DNS rebinding). Call the API by its address or its short name, list the name in
    `API_ALLOWED_HOSTS` (`*` allows all), or set `API_KEY`.
    """

    id = "API-17"
    status = 421

    def __init__(self, host: bytes) -> None:
        super().__init__(
            "The API does not answer to that host name.",
            why=f"The request named {host[:80].decode('latin-1')!r}, which a web page could have pointed here.",
            fix="Call it by its address or its short name, list the name in API_ALLOWED_HOSTS, or set API_KEY.",
        )


class CrossSiteError(ProblemError):
    """The request was sent by a page of another site.

    A web page that somebody has open in a browser must not make this API predict: its rows would count as live data.
    `Sec-Fetch-Site` or `Origin` says that a browser sent the request for such a page, and no API key came with it. Send
    the request from a server or from the API's own `/docs`; a proxy in front of the API has to pass `Host` on unchanged.
    With `API_KEY` set, the key alone decides.
    """

    id = "API-18"
    status = 403

    def __init__(self, origin: bytes) -> None:
        super().__init__(
            "The request was sent by a page of another site.",
            why=f"A browser sent it for {origin[:80].decode('latin-1')!r}." if origin else "A browser says so.",
            fix="Send it from a server or from the API's own /docs, or set API_KEY and send the key.",
        )


class RowQuotaError(ProblemError):
    """The quota of rows is used up.

    The API was started with `API_ROWS_PER_MINUTE`: so many rows a minute for each key, or for each address where there is
    no key. `Retry-After` says when to try again; a request with more rows than that never fits.
    """

    id = "API-19"
    status = 429
    retryable = True

    def __init__(self, n_rows: int, rows_per_minute: int, *, wait_s: int) -> None:
        fits = n_rows <= rows_per_minute
        super().__init__(
            "The quota of rows is used up." if fits else "The request has more rows than the quota of a minute.",
            why=f"The limit is {rows_per_minute:,} rows a minute, and {n_rows:,} more were sent.",
            fix=f"Try again in {wait_s} s." if fits else f"Send at most {rows_per_minute:,} rows at once.",
        )
        self.wait_s = wait_s


class OutOfMemoryError(ProblemError):
    """The API has too little memory for this request at the moment.

    Large requests at once take more than the process may allocate. Nothing is wrong with the model. Send fewer rows at once,
    or lower `API_MAX_BODY_BYTES` and `API_MAX_ROWS`, which bound what one request takes.
    """

    id = "API-20"
    status = 503
    retryable = True

    def __init__(self) -> None:
        super().__init__(
            "The API has too little memory for this request at the moment.",
            why="This and other requests together take more than it may allocate.",
            fix="Send fewer rows at once, or try again.",
        )
