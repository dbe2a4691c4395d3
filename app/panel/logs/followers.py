"""The followers of a run's log: the topic that wakes them, and the limit on their number."""

from typing import Final

from app.panel.logs.problems import TooManyFollowersError
from app.panel.notifier import Notifier

MAX_FOLLOWERS: Final = 1000  # each holds a connection and a task
_TOPIC: Final = "log/"


def log_topic(run_id: str) -> str:
    """Return the topic on which followers of this run learn of new lines and of a new state."""
    return _TOPIC + run_id


def n_followers(notifier: Notifier) -> int:
    """Return how many streams follow a log now. Event loop only."""
    return notifier.n_subscribers(_TOPIC)


def check_room(notifier: Notifier) -> None:
    """Raise TooManyFollowersError if no further stream may begin. Event loop only."""
    if n_followers(notifier) >= MAX_FOLLOWERS:
        raise TooManyFollowersError(MAX_FOLLOWERS)
