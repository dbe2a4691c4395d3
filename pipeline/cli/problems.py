"""Problems of commands in the terminal."""

from pipeline.core.problems import ProblemError


class InvalidParameterError(ProblemError):
    """A parameter is not valid.

    An option of `python -m pipeline run` has a value outside its limits, or names a parameter that does not exist.
    `python -m pipeline run --help` lists all of them with their defaults.
    """

    id = "TRAIN-10"
    command = "python -m pipeline run --help"

    def __init__(self, why: str) -> None:
        super().__init__(
            "A parameter is not valid.", why=why, fix="The parameters with their limits are listed by --help."
        )


class UnwritableFilesError(ProblemError):
    """The files cannot be written.

    `python -m pipeline run` keeps each run in the folder `--out`, and with `--publish` the model in the folder
    `--models`; `python -m pipeline sample` writes into the folder that it is given. One of them is a file, is not
    writable, or its disk is full; the message says which.
    """

    id = "TRAIN-11"

    def __init__(self, error: OSError, fix: str) -> None:
        why = " ".join(f"{error.strerror or error}: {error.filename or ''}".split()).rstrip(":")
        super().__init__("The files cannot be written.", why=f"{why}.", fix=fix)
