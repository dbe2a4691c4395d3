"""Problems with putting a model version into service or taking it out."""

from typing import Self

from pipeline.core.problems import BundleError, ProblemError

PREVIOUS_IS_LIVE = "The previous version is live again. See the API's log on the Services page."


class ActivationTimeoutError(ProblemError):
    """The prediction API did not load the new version in time.

    The pointer named the new version, but the API did not report it within 30 s. The pointer is back at the previous
    version, which never stopped serving. Usual causes: a machine under heavy load, or an API that was just restarted.
    The run retries by itself.
    """

    id = "DEPLOY-01"
    status = 504
    retryable = True
    command = "ml-pipeline status"

    def __init__(self, version: int, *, timeout_s: float, state: str) -> None:
        what = f"The prediction API did not load version {version} within {timeout_s:.0f} s."
        super().__init__(what, why=state, fix=PREVIOUS_IS_LIVE)


class VersionRejectedError(ProblemError):
    """The prediction API rejected the new version.

    The API verifies each bundle in a separate process and did not accept this one; the message says why. The previous
    version never stopped serving. Train again; if it happens again, the API's log on the Services page has the details.
    """

    id = "DEPLOY-02"
    status = 502
    command = "ml-pipeline run"

    def __init__(self, version: int, reason: str) -> None:
        fix = "The previous version is live again. Train again; if it happens again, report it with the API's log."
        super().__init__(f"The prediction API rejected version {version}.", why=reason, fix=fix)


class GoldenRowsDifferError(ProblemError):
    """The live predictions differ from those at training.

    Over HTTP, the golden rows did not get the predictions that the model made when it was trained: they differ by more
    than 1e-5, or the API did not answer. The previous version is live again. Check whether the serving environment has
    another version of onnxruntime.
    """

    id = "DEPLOY-03"
    status = 502
    command = "ml-pipeline status"

    def __init__(self, version: int, reason: str) -> None:
        what = f"The prediction API does not reproduce the predictions that version {version} made at training."
        super().__init__(what, why=reason, fix=PREVIOUS_IS_LIVE)

    @classmethod
    def by(cls, version: int, *, difference: float, n_rows: int) -> Self:
        """Return the problem of a largest difference over `n_rows` golden rows."""
        return cls(version, f"The largest difference over {n_rows} golden rows is {difference:.1e}.")


class UnknownVersionError(ProblemError):
    """There is no such model version.

    The number is not in the history. `ml-pipeline status` and the Models page list the versions that exist.
    """

    id = "DEPLOY-04"
    status = 404
    command = "ml-pipeline status"

    def __init__(self, version: int) -> None:
        super().__init__(f"There is no model version {version}.", fix="See the Models page for the existing versions.")


class VersionUnavailableError(ProblemError):
    """The version cannot be put into service.

    It is live already, or its files were deleted to save space (the newest 20 versions, the live one and the previous
    one are kept). Run the pipeline again with its parameters to get the model back.
    """

    id = "DEPLOY-05"
    status = 409

    def __init__(self, version: int, *, is_live: bool) -> None:
        super().__init__(
            f"Version {version} cannot be put into service.",
            why="It is already live." if is_live else "Its files were deleted to save space.",
            fix="Nothing to do." if is_live else "Run the pipeline again with its parameters.",
            command="ml-pipeline status" if is_live else "ml-pipeline run",
        )


class DeploymentConflictError(ProblemError):
    """Another deployment came first.

    Only one deployment runs at a time. Either another one is in progress, a later attempt of the same run has already
    deployed, or a version other than the one to roll back from is live by now. Wait, check the Models page and try
    again.
    """

    id = "DEPLOY-06"
    status = 409
    retryable = True
    command = "ml-pipeline status"

    def __init__(self, reason: str) -> None:
        super().__init__(
            "Another deployment came first.", why=reason, fix="Wait until it has finished, then try again."
        )


class NoPreviousVersionError(ProblemError):
    """There is no version to roll back to.

    The live version is the first one, or all versions before it were rolled back or deleted. Promote the version that
    you want on the Models page.
    """

    id = "DEPLOY-07"
    status = 409
    command = "ml-pipeline promote VERSION"

    def __init__(self) -> None:
        super().__init__(
            "There is no version to roll back to.",
            why="The live version is the first one, or those before it were taken out of service.",
            fix="Promote the version that you want on the Models page.",
        )


class DeploymentCancelledError(ProblemError):
    """The deployment was cancelled.

    The run was cancelled, the stage reached its time limit or the panel was stopped while the model was being put into
    service. The pointer is back at the previous version.
    """

    id = "DEPLOY-08"
    status = 409

    def __init__(self) -> None:
        super().__init__(
            "The deployment was cancelled.",
            why="The run was cancelled or the stage reached its time limit.",
            fix="The previous version is live. Promote the new one on the Models page if you want it.",
        )


class DamagedVersionError(ProblemError):
    """The version is damaged.

    Its files in `models/versions` are not those that were published: one is missing, or does not have the digest that was
    recorded for it. The live model is not affected. Promote another version, train again, or restore the folder from a
    backup.
    """

    id = "DEPLOY-09"
    status = 409
    command = "ml-pipeline run"

    def __init__(self, version: int, damage: BundleError) -> None:
        super().__init__(
            f"Version {version} is damaged and cannot be put into service.",
            why=f"{damage.what} {damage.why}".strip(),
            fix="Promote another version, or train again.",
        )
