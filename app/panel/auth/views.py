"""What the pages of the login show."""

from dataclasses import dataclass
from typing import ClassVar

from app.web.templating import View
from pipeline.core.problems import ProblemError


@dataclass(frozen=True)
class LoginView(View):
    """`problem` is why the last attempt failed; `next` a path of this panel to go to; `address` the panel's own.

    `has_link`: the panel has printed a link; `has_passwords`: somebody can log in with a password; `name` was entered.
    """

    TEMPLATE: ClassVar[str] = "panel/login.html"

    has_link: bool
    has_passwords: bool
    address: str
    next: str
    name: str
    problem: ProblemError | None


@dataclass(frozen=True)
class WelcomeView(View):
    """One step between another site and the panel, or between the login and a service.

    The browser withholds a strict cookie from a navigation that another site began, and sends our forms to the panel
    only; a redirect belongs to either. So the panel's own page begins the next navigation.
    """

    TEMPLATE: ClassVar[str] = "panel/welcome.html"

    next: str
