"""The page of one's own access: password, sessions, tokens."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Path, Request
from starlette.responses import RedirectResponse, Response

from app.panel.accounts.caller import AnyCaller, Changer
from app.panel.accounts.service import Accounts
from app.panel.accounts.views import SCOPES, VIA, AccessView, NewTokenView
from app.panel.auth.problems import InvalidTokenRequestError
from app.panel.auth.tokens import NewToken
from app.panel.db.engine import MAX_INTEGER
from app.panel.pages.renderer import PageRenderer
from app.web.dependencies import provided
from app.web.identity import role_to_make
from pipeline.core.problems import ProblemError

router = APIRouter()

AccountsService = Annotated[Accounts, provided(Accounts)]
Text = Annotated[str, Form(max_length=1024)]
TokenId = Annotated[int, Path(ge=1, le=MAX_INTEGER)]
# Where a button was pressed, and the browser goes back to.
Back = Annotated[Literal["/access", "/access/users"], Form()]
Part = Literal["password", "sessions", "tokens"]


class OwnPage:
    """Draws the page."""

    def __init__(
        self,
        request: Request,
        caller: AnyCaller,
        accounts: AccountsService,
        renderer: Annotated[PageRenderer, provided(PageRenderer)],
    ) -> None:
        self._request = request
        self._caller = caller
        self._accounts = accounts
        self._renderer = renderer

    def render(self, problem: ProblemError | None = None, part: Part = "password") -> Response:
        """Return the page; with `problem`, that part of it shows why something was refused."""
        caller, accounts = self._caller, self._accounts
        view = AccessView(
            identity=caller.identity,
            via=VIA[caller.identity.via],
            user=accounts.find_user(caller.user),
            needs_current=accounts.needs_current_password(caller),
            sessions=tuple(accounts.sessions(caller)),
            tokens=tuple(accounts.tokens(caller)),
            scopes=tuple((scope, title) for scope, title in SCOPES if caller.identity.may(role_to_make(scope))),
            problem=problem,
            problem_at=part if problem else "",
        )
        status = problem.status if problem else 200
        return self._renderer.render(self._request, view, section="access", status=status)

    def render_token(self, new: NewToken, tracking_uri: str = "") -> Response:
        """Return the only page that ever shows a token."""
        address = f"{self._request.url.scheme}://{self._request.url.netloc}"
        view = NewTokenView(token=new.row, text=new.text, tracking_uri=tracking_uri, panel_url=address)
        response = self._renderer.render(self._request, view, section="access")
        response.headers["Cache-Control"] = "no-store"
        return response

    def tracking_uri(self) -> str:
        """Return where MLflow's client finds the server."""
        return self._renderer.mlflow_tracking_uri(self._request)


Own = Annotated[OwnPage, Depends()]


@router.get("/access")
def show_access(page: Own) -> Response:
    """Show who one is, and one's password, sessions and tokens."""
    return page.render()


@router.post("/access/password")
async def change_password(
    page: Own, caller: Changer, accounts: AccountsService, password: Text = "", current: Text = ""
) -> Response:
    """Change one's own password; other sessions end."""
    try:
        await accounts.change_password(caller, current, password)
    except ProblemError as problem:
        return page.render(problem)
    return RedirectResponse("/access", status_code=303)


@router.post("/access/sessions/end-others")
def end_other_sessions(caller: Changer, accounts: AccountsService) -> Response:
    """End all of one's sessions but this one."""
    accounts.end_other_sessions(caller)
    return RedirectResponse("/access", status_code=303)


@router.post("/access/sessions/{id}/end")
def end_session(id: str, caller: Changer, accounts: AccountsService, back: Back = "/access") -> Response:
    """End a session."""
    accounts.end_session(caller, id)
    return RedirectResponse(back, status_code=303)


@router.post("/access/tokens")
def create_token(
    page: Own, caller: Changer, accounts: AccountsService, *, name: Text = "", scope: Text = "", days: Text = "90"
) -> Response:
    """Make a token, and show it once."""
    try:
        return page.render_token(accounts.create_token(caller, name, scope, _days(days)))
    except ProblemError as problem:
        return page.render(problem, "tokens")


@router.post("/access/tokens/mlflow")
def create_mlflow_token(page: Own, caller: Changer, accounts: AccountsService) -> Response:
    """Make a token for MLflow's own client, and show once how it is used."""
    return page.render_token(accounts.create_mlflow_token(caller), page.tracking_uri())


@router.post("/access/tokens/{id}/revoke")
def revoke_token(id: TokenId, caller: Changer, accounts: AccountsService, back: Back = "/access") -> Response:
    """Revoke a token."""
    accounts.revoke_token(caller, id)
    return RedirectResponse(back, status_code=303)


def _days(text: str) -> int | None:
    """Return the days of a form, None for a token that never expires."""
    if text == "never":
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 5):
        raise InvalidTokenRequestError(
            "The token would expire at a time that is not allowed.", "Choose one of the list."
        )
    return int(text)
