"""Dependencies of the log's routes: the run in the address, its log, and the limit of followers."""

from typing import Annotated, Protocol

from fastapi import Depends

from app.panel.logs.followers import check_room
from app.panel.logs.store import LogStore
from app.panel.logs.tail import RunStates
from app.panel.notifier import Notifier
from app.web.dependencies import provided


class RunIds(Protocol):
    """The runs that there are; implemented by `runs`."""

    def full_id(self, reference: str, /) -> str:
        """Return the id of the run with this id or number. Raises ProblemError RUN-02 where there is none."""


Logs = Annotated[LogStore, provided(LogStore)]
Notifications = Annotated[Notifier, provided(Notifier)]
States = Annotated[RunStates, provided(RunStates)]


def _full_id(run_id: str, runs: Annotated[RunIds, provided(RunIds)]) -> str:
    return runs.full_id(run_id)


async def _check_room(notifier: Notifications) -> None:
    check_room(notifier)


RunId = Annotated[str, Depends(_full_id)]
ROOM_TO_FOLLOW = Depends(_check_room)
