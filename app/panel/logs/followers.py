"""The followers of a run's log: the topic that wakes them, and the limits on their number."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from app.panel.logs.problems import TooManyFollowersError, TooManyStreamsError
from app.panel.notifier import Notifier

MAX_FOLLOWERS: Final = 1000  # each holds a connection and a task
MAX_STREAMS: Final = 8  # of one session or token: a browser opens no more than six at once
_TOPIC: Final = "log/"


class Followers:
    """Counts the open streams of each session and each token. Event loop only."""

    def __init__(self) -> None:
        self._n_streams: Counter[str] = Counter()

    @contextmanager
    def place(self, reader: str) -> Iterator[None]:
        """Hold one of the places of `reader` as long as the context is open. Raises TooManyStreamsError if all are taken."""
        if self._n_streams[reader] >= MAX_STREAMS:
            raise TooManyStreamsError(MAX_STREAMS)
        self._n_streams[reader] += 1
        try:
            yield
        finally:
            self._n_streams[reader] -= 1
            if not self._n_streams[reader]:
                del self._n_streams[reader]


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
