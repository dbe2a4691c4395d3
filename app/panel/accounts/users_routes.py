"""The page of all users, their sessions and tokens, for admins."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from app.panel.accounts.caller import AnyCaller
from app.panel.accounts.service import Accounts
from app.panel.accounts.views import UsersView
from app.panel.auth.service import Auth
from app.panel.pages.renderer import PageRenderer
from app.web.dependencies import provided
from pipeline.core.problems import ProblemError

router = APIRouter(prefix="/access/users")

AuthService = Annotated[Auth, provided(Auth)]
Text = Annotated[str, Form(max_length=1024)]


class UsersPage:
    """Draws the page."""

    def __init__(
        self,
        request: Request,
        caller: AnyCaller,
        auth: AuthService,
        accounts: Annotated[Accounts, provided(Accounts)],
        renderer: Annotated[PageRenderer, provided(PageRenderer)],
    ) -> None:
        self._request, self._caller = request, caller
        self._auth, self._accounts, self._renderer = auth, accounts, renderer

    def render(self, problem: ProblemError | None = None) -> Response:
        """Return the page; with `problem`, it shows why something was refused."""
        view = UsersView(
            users=tuple(self._auth.users.all()),
            sessions=tuple(self._accounts.sessions(self._caller, of_all=True)),
            tokens=tuple(self._accounts.tokens(self._caller, of_all=True)),
            problem=problem,
            me=self._caller.user,
        )
        status = problem.status if problem else 200
        return self._renderer.render(self._request, view, section="access", status=status)

    def after(self, change: Callable[[], object]) -> Response:
        """Make a change and return to the page; where it is refused, the page shows why."""
        try:
            change()
        except ProblemError as problem:
            return self.render(problem)
        return RedirectResponse("/access/users", status_code=303)


Page = Annotated[UsersPage, Depends()]


@router.get("")
def show_users(page: Page) -> Response:
    """Show all users, their sessions and tokens."""
    return page.render()


@router.post("")
def create_user(page: Page, auth: AuthService, name: Text = "", role: Text = "", password: Text = "") -> Response:
    """Create a user, with a password unless that is left empty."""
    return page.after(lambda: auth.users.create(name.strip(), role, password or None))


@router.post("/{name}/role")
def change_role(page: Page, auth: AuthService, name: str, role: Text = "") -> Response:
    """Change what a user may do; their sessions end."""
    return page.after(lambda: auth.users.change(name, role=role))


@router.post("/{name}/disable")
def disable_user(page: Page, auth: AuthService, name: str) -> Response:
    """Let a user do nothing any more; their sessions end."""
    return page.after(lambda: auth.users.change(name, is_disabled=True))


@router.post("/{name}/enable")
def enable_user(page: Page, auth: AuthService, name: str) -> Response:
    """Let a disabled user in again."""
    return page.after(lambda: auth.users.change(name, is_disabled=False))


@router.post("/{name}/password")
def set_password(page: Page, auth: AuthService, name: str, password: Text = "") -> Response:
    """Set a user's password; their sessions end."""
    return page.after(lambda: auth.users.set_password(name, password))


@router.post("/{name}/remove")
def remove_user(page: Page, auth: AuthService, name: str) -> Response:
    """Remove a user; their sessions end, and their tokens are revoked."""
    return page.after(lambda: auth.users.remove(name))
