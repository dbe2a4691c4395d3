"""What every page needs, in one frozen object on the application."""

from dataclasses import dataclass

from jinja2 import Environment
from starlette.requests import Request

from app.frontend.client import PredictionApi
from app.frontend.settings import Settings
from app.frontend.store import ResultStore


@dataclass(frozen=True)
class Site:
    """The wired parts of the app."""

    settings: Settings
    api: PredictionApi
    results: ResultStore
    env: Environment

    @classmethod
    def of(cls, request: Request) -> "Site":
        """The parts of the application that `request` came to."""
        site = request.app.state.site
        assert isinstance(site, cls)
        return site
