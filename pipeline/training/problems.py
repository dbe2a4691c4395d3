"""Problems that keep a model from being fitted."""

from pipeline.core.problems import TrainingError


class OneClassError(TrainingError):
    """The training rows hold only one class.

    The other classes are so rare that all their rows fell into the test or validation part. Add rows of the rare
    classes, or merge them into one class.
    """

    id = "TRAIN-01"

    def __init__(self) -> None:
        super().__init__(
            "The training rows hold only one class.",
            why="The other classes are so rare that all their rows fell into the test or validation part.",
            fix="Add rows of the rare classes, or merge them into one class.",
        )
