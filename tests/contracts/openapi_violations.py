"""Holds an application to its OpenAPI document with schemathesis: the same requests each time."""

from collections.abc import Mapping
from typing import Any, Final

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

OPTIONS: Final[Mapping[str, Any]] = {
    "seed": 1,
    "workers": 1,
    "generation": {"deterministic": True, "max-examples": 10, "database": "none", "no-shrink": True},
    "phases": {"stateful": {"enabled": False}},
}
# What a schema cannot say makes a request that fits it wrong all the same.
LOOSE: Final = {"checks": {"positive_data_acceptance": {"enabled": False}}}


def violations(app: Any, options: Mapping[str, Any], *, min_requests: int) -> list[str]:
    """Return what `app` does that its document does not say, with `options` of schemathesis over OPTIONS.

    Fails if fewer than `min_requests` were sent.
    """
    options = {**OPTIONS, **options}
    headers = options.get("headers", {})
    config = SchemathesisConfig.from_dict(options)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, config=config, headers=headers)
    found: list[str] = []
    n_requests = 0
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished | events.FuzzScenarioFinished):
            n_requests += len(event.recorder.interactions)
            for check in (each for checks in event.recorder.checks.values() for each in checks if each.failure_info):
                assert check.failure_info is not None
                failure = check.failure_info.failure
                request = check.failure_info.code_sample
                found.append(f"{event.recorder.label}: {failure.title}. {failure.message}\n{request[:500]}")
        elif isinstance(event, events.NonFatalError):
            found.append(f"{event.label}: {event.value!r}")
        elif isinstance(event, events.FatalError):
            raise event.exception
    assert n_requests >= min_requests
    return found
