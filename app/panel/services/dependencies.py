"""Dependencies of the routes of services: the service that the address names."""

from typing import Annotated

from fastapi import Depends, Path

from app.panel.services.problems import UnknownServiceError
from app.panel.services.protocol import SERVICES, ServiceName


def _find_service(name: Annotated[str, Path(json_schema_extra={"enum": [*SERVICES]})]) -> ServiceName:
    for service in SERVICES:
        if name == service:
            return service
    raise UnknownServiceError(name)


Service = Annotated[ServiceName, Depends(_find_service)]
