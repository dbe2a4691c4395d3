"""Problems of an API that has no model to answer with."""

from typing import Final

from pipeline.core.problems import ProblemError

STARTING_RETRY_S: Final = 1  # loading takes about as long
NO_MODEL_RETRY_S: Final = 5


class NoModelError(ProblemError):
    """No model is live yet.

    The API is running, but no run has deployed a model so far. Start a run in the panel; `run_url` leads there. The API
    loads the model within a second of its publication.
    """

    id = "API-05"
    status = 503
    retryable = True
    command = "ml-pipeline run --follow"

    def __init__(self, panel_url: str) -> None:
        super().__init__(
            "No model is live yet.",
            why="No run has deployed one so far.",
            fix="Start a run in the panel, or wait for the one in progress.",
        )
        self.run_url = f"{panel_url}/runs" if panel_url else ""


class StartingError(ProblemError):
    """The API is starting.

    It has just been started, or the first model has just been put live, and the API verifies and loads it. That takes a second
    or two. Send the request again when `Retry-After` says so.
    """

    id = "API-21"
    status = 503
    retryable = True

    def __init__(self) -> None:
        super().__init__(
            "The API is starting.",
            why="The model is being verified and loaded.",
            fix=f"Try again in {STARTING_RETRY_S} s.",
        )


class NothingIntactError(ProblemError):
    """No model can be served.

    One should be live, but it cannot be loaded, and nor can any version that was live before: files in the models folder are
    lost or damaged; the message says which. Restore the folder from a backup, promote another version on the panel's Models
    page, or start a run, which trains a new model.
    """

    id = "API-22"
    status = 503
    retryable = True
    command = "ml-pipeline run --follow"

    def __init__(self, problem: ProblemError) -> None:
        super().__init__(
            "No model can be served: the one that should be live cannot be loaded.",
            why=f"{problem.id}: {problem.what} {problem.why}".strip(),
            fix="Promote another version in the panel, restore the models folder from a backup, or start a run.",
        )
