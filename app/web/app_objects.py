"""The objects that an application was built with, kept with it under their classes. Needs no FastAPI."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from starlette.applications import Starlette

T = TypeVar("T")


def provide(app: Starlette, objects: Iterable[object], protocols: Mapping[type, object] | None = None) -> None:
    """Make each object available to the routes of `app` under its own class.

    `protocols` has the objects that lower layers know by a protocol only, by that protocol.
    """
    app.state.provided = {type(each): each for each in objects} | dict(protocols or {})


def provided_object(app: Starlette, kind: type[T]) -> T:
    """Return the object of class `kind` that `app` was built with. Raises KeyError in an app without one."""
    instance: T = app.state.provided[kind]
    return instance
