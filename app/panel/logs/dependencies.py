"""Dependencies of the log's routes: the run in the address, its log, and the limits of followers."""

from collections.abc import AsyncIterator
from typing import Annotated, Protocol

from fastapi import Depends, Request

from app.panel.auth.middleware import session_of
from app.panel.logs.followers import Followers, check_room
from app.panel.logs.store import LogStore
from app.panel.logs.tail import RunStates
from app.panel.notifier import Notifier
from app.web.dependencies import provided
from app.web.identity import identity_of


class RunIds(Protocol):
    """The runs that there are; implemented by `runs`."""

    def full_id(self, reference: str, /) -> str:
        """Return the id of the run with this id or number. Raises ProblemError RUN-02 where there is none."""


Logs = Annotated[LogStore, provided(LogStore)]
Notifications = Annotated[Notifier, provided(Notifier)]
States = Annotated[RunStates, provided(RunStates)]


def _full_id(run_id: str, runs: Annotated[RunIds, provided(RunIds)]) -> str:
    return runs.full_id(run_id)


async def _hold_place(
    request: Request, notifier: Notifications, followers: Annotated[Followers, provided(Followers)]
) -> AsyncIterator[None]:
    """Hold a place until the response has ended, however it ends; also if it never begins."""
    check_room(notifier)
    session, identity = session_of(request.scope), identity_of(request.scope)
    token = "" if identity is None else f"token {identity.name}"
    with followers.place(token if session is None else session.digest):
        yield


RunId = Annotated[str, Depends(_full_id)]
ROOM_TO_FOLLOW = Depends(_hold_place)
