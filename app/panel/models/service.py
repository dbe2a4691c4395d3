"""What people do with models: put a version into service, go back, and look up what was live when."""

from typing import Protocol

from app.panel.models.queries import DeploymentRow


class ModelVerbs(Protocol):
    """The verbs of `ModelService`. Sync; call them in a worker thread. Each returns when it has taken effect."""

    def promote(self, version: int, who: str) -> DeploymentRow:
        """Put `version` into service, and let its digest be deployed again if it was held.

        Raises ProblemError DEPLOY-04 (404: no such version), DEPLOY-05 (409: its files are gone), DEPLOY-06 (409:
        another deployment is under way), DEPLOY-01..03 (the API did not take it; the old one is back).
        """

    def rollback(self, who: str, to: int | None = None) -> DeploymentRow:
        """Go back to `to`, or to the version that was live before; holds the digest that is left.

        Raises as `promote`, and DEPLOY-07 (409: there is nothing to go back to).
        """

    def next_version(self) -> int:
        """1 + the highest version that ever was."""
