"""Problems with a bundle on which the prediction API keeps the previous model."""

from pipeline.core.problems import BundleError


class ModelLoadError(BundleError):
    """The model cannot be loaded.

    It is not an ONNX file, or it does not match its manifest. The previous model stays live. Train again.
    """

    id = "MODEL-03"

    def __init__(self, why: str, *, what: str = "The model cannot be loaded.") -> None:
        super().__init__(what, why=why)


class GoldenRowsError(BundleError):
    """The model does not reproduce the golden rows.

    Before a model goes live, it predicts the rows that are stored with it. Its predictions differed or were not finite
    numbers, so it is not the model that was trained. The previous model stays live. Train again.
    """

    id = "MODEL-04"


class UnsafeBundleError(BundleError):
    """The bundle crashes, hangs or needs too much memory.

    A bundle is verified in a process of its own with limits of time and memory, and that process failed. The API is not
    affected; the previous model stays live.
    """

    id = "MODEL-05"


class ForbiddenContentError(BundleError):
    """The model refers to something that is not allowed.

    Data outside its file, operators of other vendors, or functions of its own: such a file could read or execute things
    on this machine. Only models that this pipeline exported are served.
    """

    id = "MODEL-06"
