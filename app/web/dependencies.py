"""Hands the objects that an application was built with to its routes: `Annotated[RunService, provided(RunService)]`."""

from collections.abc import Iterable
from typing import Any

from fastapi import Depends, FastAPI
from starlette.requests import HTTPConnection


def provide(app: FastAPI, objects: Iterable[object]) -> None:
    """Make each object available to the routes of `app` under its own class."""
    app.state.provided = {type(each): each for each in objects}


def provided(kind: type) -> Any:  # noqa: ANN401 - as FastAPI's own Depends
    """Return a FastAPI dependency that yields the object of class `kind`. Raises KeyError in an app without one."""

    async def get(connection: HTTPConnection) -> Any:  # noqa: ANN401 - async: no thread for a look-up
        return connection.app.state.provided[kind]

    return Depends(get)
