"""Problems with a request in one of the protocols."""

from pipeline.core.problems import ProblemError


class InvalidTableError(ProblemError):
    """The body is not a readable table.

    Send CSV in UTF-8, separated by commas, whose header line names at least one feature of the model and no feature
    twice.
    """

    id = "API-09"

    def __init__(self, why: str) -> None:
        super().__init__(
            "The body is not a readable table.",
            why=why,
            fix="Send CSV in UTF-8, separated by commas, with the model's features in the header line.",
        )


class InvalidInvocationError(ProblemError):
    """The body does not follow MLflow's scoring protocol.

    Send an object with exactly one of `dataframe_split`, `dataframe_records`, `instances` and `inputs`, and optionally
    `params`.
    """

    id = "API-11"

    def __init__(self, why: str) -> None:
        super().__init__(
            "The body does not follow MLflow's scoring protocol.",
            why=why,
            fix="Send an object with exactly one of dataframe_split, dataframe_records, instances, inputs; "
            "/docs shows a request that works.",
        )


class InvalidTensorsError(ProblemError):
    """The inputs cannot be used.

    The tensors of an Open Inference Protocol request do not fit the model, or contradict each other. The message names
    the tensor and the reason; `GET /v2/models/automated-ml-pipeline` lists the inputs.
    """

    id = "API-12"

    def __init__(self, why: str) -> None:
        super().__init__(
            "The inputs cannot be used.",
            why=why,
            fix="GET /v2/models/automated-ml-pipeline lists the inputs; /docs shows a request that works.",
        )


class InvalidExplanationError(ProblemError):
    """The request cannot be explained.

    `/explain` takes one record; `/curve` takes `{"record": {...}, "feature": "NAME"}` with a feature of the model.
    """

    id = "API-13"
    status = 422

    def __init__(self, why: str) -> None:
        super().__init__(
            "The request cannot be explained.",
            why=why,
            fix='/explain takes one record, /curve takes {"record": {...}, "feature": "NAME"}.',
        )


class UnknownModelError(ProblemError):
    """This model or version is not served.

    The API serves one model, `automated-ml-pipeline`, in the version that is live.
    """

    id = "API-14"
    status = 404
    command = "curl http://127.0.0.1:8000/v2"

    def __init__(self, name: str, version: str, *, live_name: str, live_version: int) -> None:
        in_version = f" in version {version[:20]!r}" if version else ""
        super().__init__(
            f"The model {name[:100]!r}{in_version} is not served here.",
            why=f"The live model is {live_name!r} in version {live_version}.",
            fix="Request that one, or leave the version out.",
        )
