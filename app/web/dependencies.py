"""Hands routes the objects that their application was built with: `Annotated[RunService, provided(RunService)]`."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from fastapi import Depends, FastAPI
from starlette.requests import HTTPConnection

T = TypeVar("T")


def provide(app: FastAPI, objects: Iterable[object], protocols: Mapping[type, object] | None = None) -> None:
    """Make each object available to the routes of `app` under its own class.

    `protocols` has the objects that lower layers know by a protocol only, by that protocol.
    """
    app.state.provided = {type(each): each for each in objects} | dict(protocols or {})


def provided_object(app: FastAPI, kind: type[T]) -> T:
    """Return the object of class `kind` that `app` was built with. Raises KeyError in an app without one."""
    instance: T = app.state.provided[kind]
    return instance


def provided(kind: type) -> Any:  # noqa: ANN401 - as FastAPI's own Depends
    """Return a FastAPI dependency that yields the object of `kind`, a class or a protocol.

    Raises KeyError in an app without one.
    """

    async def get(connection: HTTPConnection) -> Any:  # noqa: ANN401 - async: no thread for a look-up
        return connection.app.state.provided[kind]

    return Depends(get)
