"""Hands FastAPI routes the objects of their application: `Annotated[RunService, provided(RunService)]`."""

from typing import Any, Final

from fastapi import Depends
from pydantic import BeforeValidator
from starlette.requests import HTTPConnection

from app.web.app_objects import provided_object


def provided(kind: type) -> Any:  # noqa: ANN401 - as FastAPI's own Depends
    """Return a FastAPI dependency that yields the object of `kind`, a class or a protocol.

    Raises KeyError in an app without one.
    """

    async def get(connection: HTTPConnection) -> Any:  # noqa: ANN401 - async: no thread for a look-up
        return provided_object(connection.app, kind)

    return Depends(get)


def _not_a_number(text: object) -> object:
    try:
        float(str(text))
    except ValueError:
        return text
    raise ValueError("must be in the form of ISO 8601")


# For dates and times in a query: pydantic takes a number for seconds since 1970, which no document says.
ISO_8601: Final = BeforeValidator(_not_a_number)
