"""Who acts at this moment: set for each request, the panel itself everywhere else."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who acts: a person, the holder of a token, or the panel. `via` is how they were recognised."""

    name: str
    via: str
    address: str = ""


PANEL: Final = Actor("panel", "panel")
_current: Final[ContextVar[Actor]] = ContextVar("actor", default=PANEL)


def current_actor() -> Actor:
    """Return who acts in this task or thread; PANEL outside of requests."""
    return _current.get()


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """Let `actor` be the one who acts, in this task and in the worker threads that it calls."""
    token = _current.set(actor)
    try:
        yield
    finally:
        _current.reset(token)
