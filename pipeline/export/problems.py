"""Problems that keep a fitted model from being published."""

from pipeline.core.problems import TrainingError


class ParityError(TrainingError):
    """The exported model differs from the trained one.

    Every run compares the graph that would serve with scikit-learn, on all test rows and on rows that no table holds
    (everything missing, huge or of an unknown category), and publishes nothing that differs by more than 1e-5. Choose
    another estimator or scaling, and report the data that shows this: it is a bug in the export, not a problem with
    your data.
    """

    id = "TRAIN-02"

    def __init__(self, difference: float, tolerance: float) -> None:
        super().__init__(
            f"The exported model differs from the trained one by {difference:.3g}.",
            why=f"A model is published only if both agree within {tolerance:g} on all test rows and edge rows.",
            fix="Choose another estimator or scaling, and report the data that shows this.",
        )


class ModelTooLargeError(TrainingError):
    """The model is too large to be served.

    The prediction API loads models of at most 256 MiB, so that a model cannot exhaust the machine's memory. Use fewer
    trees, less depth or more rows per leaf.
    """

    id = "TRAIN-03"

    def __init__(self, n_bytes: int, max_bytes: int) -> None:
        super().__init__(
            f"The model is too large to be served: {n_bytes / 2**20:,.1f} MiB.",
            why=f"A served model may have at most {max_bytes / 2**20:,.1f} MiB.",
            fix="Use fewer trees, less depth or more rows per leaf.",
        )
