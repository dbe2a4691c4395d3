"""The problems that the prediction app shows to its visitors."""

from typing import Final

from pipeline.core.problems import ProblemError

MIB: Final = 2**20


class ApiUnreachableError(ProblemError):
    """The prediction API does not answer.

    The prediction app asks the prediction API for everything, and cannot reach it or gets no answer in time. The API is
    usually back within seconds, and the page retries by itself; if it is not, the panel's Services page shows the state
    and the log of the API.
    """

    id = "APP-01"
    status = 502
    retryable = True

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            "The prediction API does not answer.",
            why=f"{reason} at {url}.",
            fix="It is usually back within seconds, and this page retries by itself. If not, see the panel's Services page.",
            command=f"curl {url}/livez",
        )


class UnexpectedApiResponseError(ProblemError):
    """The prediction API returned a response that this app does not understand.

    Something else listens where the API is expected, or the API and the app are of different versions. Check `API_URL`,
    or restart both on the panel's Services page.
    """

    id = "APP-02"
    status = 502

    def __init__(self, why: str) -> None:
        super().__init__(
            "The prediction API returned a response that this app does not understand.",
            why=why,
            fix="The two may be of different versions: restart both on the panel's Services page.",
        )


class ApiKeyRejectedError(ProblemError):
    """The prediction API does not accept this app's key.

    The API was started with a key, and the app has none or a different one. Give the app the same `API_KEY` or
    `API_KEY_FILE`.
    """

    id = "APP-03"
    status = 502

    def __init__(self) -> None:
        super().__init__(
            "The prediction API does not accept this app's key.",
            why="The API requires a key, and the app sent none or a different one.",
            fix="Give the app the API's own key, in API_KEY or in the file that API_KEY_FILE names.",
        )


class InputRejectedError(ProblemError):
    """The prediction API could not use the input.

    The API rejected a row or a table, and the page repeats its reason: for example a table none of whose columns is a
    feature of the model. Correct the input.
    """

    id = "APP-04"
    status = 422

    def __init__(self, what: str, fix: str) -> None:
        super().__init__("The prediction API could not use the input.", why=what or "It gave no reason.", fix=fix)


class PageNotFoundError(ProblemError):
    """Page not found.

    The address is wrong, or does not accept this method. Start again from the form.
    """

    id = "APP-05"
    status = 404

    def __init__(self, status: int) -> None:
        if status == 404:
            super().__init__("Page not found.", fix="Start from the form, or from the Table page.")
        else:
            super().__init__(
                "This address does not accept such a request.", fix="Start again from the form.", status=status
            )


class TableTooLargeError(ProblemError):
    """The table is larger than the app accepts.

    The app keeps results for download and therefore accepts tables up to 32 MB. Split the table, or send it to
    `/predict/csv` of the API, which streams tables of any length.
    """

    id = "APP-06"
    status = 413

    def __init__(self, limit_bytes: int, api_url: str) -> None:
        super().__init__(
            f"The table is larger than {limit_bytes / MIB:.0f} MB.",
            why="The app keeps results for download and therefore accepts tables only up to that size.",
            fix="Split the table, or send it to the prediction API itself, which streams tables of any length.",
            command=f"curl -T table.csv -X POST -H 'Content-Type: text/csv' {api_url}/predict/csv -o predictions.csv",
        )


class UnreadableTableError(ProblemError):
    """The table cannot be read.

    It is empty, has no rows, is a workbook, Parquet, JSON or a web page, or its text is not UTF-8; the page says which.
    Save it as CSV in UTF-8.
    """

    id = "APP-07"
    status = 422

    def __init__(self, why: str, fix: str) -> None:
        super().__init__("The table cannot be read.", why=why, fix=fix)


class ResultExpiredError(ProblemError):
    """This result is no longer available.

    Results of tables are kept for half an hour, at most the last six, and are lost when the app restarts. Send the
    table again.
    """

    id = "APP-08"
    status = 410

    def __init__(self) -> None:
        super().__init__(
            "This result is no longer available.",
            why="The last six results are kept for half an hour, and are lost when the app restarts.",
            fix="Send the table again.",
        )


class ModelReplacedError(ProblemError):
    """The model was replaced several times while the table was being predicted.

    All rows of a table are predicted by one model, so results that mix two are discarded. Send the table again in a
    minute.
    """

    id = "APP-09"
    status = 409

    def __init__(self) -> None:
        super().__init__(
            "The model was replaced several times while the table was being predicted.",
            why="All rows of a table are predicted by one model, so the mixed results were discarded.",
            fix="Send the table again in a minute.",
        )


class InternalAppError(ProblemError):
    """The prediction app failed.

    An error in the app itself; its log on the panel's Services page has the details. Try again, and report it if it
    persists.
    """

    id = "APP-99"
    status = 500

    def __init__(self, error: Exception) -> None:
        super().__init__(
            "The prediction app failed.",
            why=f"{type(error).__name__}: details are in the app's log on the panel's Services page.",
            fix="Try again. If it persists, report it with the last lines of that log.",
        )
