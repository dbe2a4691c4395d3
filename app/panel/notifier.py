"""Wakes whoever waits for something to change. Carries no data: a subscriber reads again, so that nothing can be lost."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Notifier:
    """Events by topic, a string that is defined beside what changes.

    Subscribe before the first read: then no change is missed between reading and waiting.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._events: dict[str, set[asyncio.Event]] = {}
        self._closed = False

    @contextmanager
    def subscribe(self, topic: str) -> Iterator[asyncio.Event]:
        """Yield an event that is set with each change of `topic`; the subscriber clears it. Event loop only."""
        self._loop = asyncio.get_running_loop()
        event = asyncio.Event()
        if self._closed:
            event.set()
        self._events.setdefault(topic, set()).add(event)
        try:
            yield event
        finally:
            events = self._events[topic]
            events.discard(event)
            if not events:
                del self._events[topic]

    def notify(self, topic: str) -> None:
        """Wake the subscribers of `topic`. Thread-safe; returns at once."""
        self._call(self._set, topic)

    def close(self) -> None:
        """Wake all subscribers for the last time, so that streams end and the server can stop. Thread-safe."""
        self._closed = True
        self._call(self._set_all)

    @property
    def closed(self) -> bool:
        """Return True once the panel is stopping; a subscriber then ends."""
        return self._closed

    def n_subscribers(self, prefix: str = "") -> int:
        """Return the number of subscriptions to topics that begin with `prefix`. Event loop only."""
        return sum(len(events) for topic, events in self._events.items() if topic.startswith(prefix))

    def _call(self, function: Callable[..., None], *arguments: str) -> None:
        loop = self._loop
        # Without a loop nobody has subscribed yet, and whoever subscribes from now on reads what has changed.
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(function, *arguments)

    def _set(self, topic: str) -> None:
        for event in self._events.get(topic, ()):
            event.set()

    def _set_all(self) -> None:
        for topic in self._events:
            self._set(topic)
