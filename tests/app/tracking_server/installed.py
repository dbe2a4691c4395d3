"""The routes that the installed MLflow has, and those of them that are refused on purpose."""

import re
from typing import Any, Final

from fastapi.routing import iter_route_contexts

Route = tuple[str, str]  # the method and the path, with `*` for a segment and `**` for the rest

# By reason. A path that ends in `**` stands for all below it; below `/3.0` and `/2.0` for /api and /ajax-api alike.
REFUSED: Final = {
    "runs commands on this machine": ("/ajax-api/3.0/mlflow/assistant/**",),
    "runs code, or starts what does": (
        "/3.0/mlflow/demo/**",
        "/3.0/mlflow/genai/**",
        "POST /3.0/mlflow/issues/invoke",
        "/3.0/jobs/**",
        "/3.0/mlflow/jobs/**",
        "/3.0/mlflow/prompt-optimization/**",
        "/3.0/mlflow/scorer/**",
        "/3.0/mlflow/scorers/**",
        "POST /2.0/mlflow/runs/create-promptlab-run",
    ),
    "calls addresses that the caller names, or keeps their keys": (
        "/gateway/**",
        "/3.0/mlflow/gateway/**",
        "GET /2.0/mlflow/gateway-proxy",
        "POST /2.0/mlflow/gateway-proxy",
        "POST /2.0/mlflow/webhooks",
        "GET /2.0/mlflow/webhooks",
        "/2.0/mlflow/webhooks/**",
        "POST /3.0/mlflow/mcp-servers",
        "GET /3.0/mlflow/mcp-servers",
        "/3.0/mlflow/mcp-servers/**",
        "GET /3.0/mlflow/ui-telemetry",
        "POST /3.0/mlflow/ui-telemetry",
    ),
    "writes traces, which nothing here does": (
        "POST /v1/traces",
        "POST /2.0/mlflow/traces",
        "PATCH /2.0/mlflow/traces/*",
        "DELETE /2.0/mlflow/traces/*/tags",
        "PATCH /2.0/mlflow/traces/*/tags",
        "POST /2.0/mlflow/traces/delete-traces",
        "POST /2.0/mlflow/traces/link-prompts",
        "POST /2.0/mlflow/traces/link-to-run",
        "POST /3.0/mlflow/traces",
        "POST /3.0/mlflow/traces/*/assessments",
        "DELETE /3.0/mlflow/traces/*/assessments/*",
        "PATCH /3.0/mlflow/traces/*/assessments/*",
        "DELETE /3.0/mlflow/traces/*/tags",
        "PATCH /3.0/mlflow/traces/*/tags",
        "POST /3.0/mlflow/traces/delete-traces",
        "POST /3.0/mlflow/issues",
        "PATCH /3.0/mlflow/issues/*",
        "/3.0/mlflow/label-schemas/**",
        "/3.0/mlflow/review-queues/**",
    ),
    "is for stores that are not on this machine": (
        "/2.0/mlflow-artifacts/mpu/**",
        "GET /2.0/mlflow-artifacts/presigned/**",
        "POST /2.0/mlflow/artifacts/presigned-download-url",
        "POST /2.0/mlflow/artifacts/presigned-upload-url",
        "GET /3.0/mlflow/workspaces",
        "POST /3.0/mlflow/workspaces",
        "/3.0/mlflow/workspaces/**",
    ),
    "is used by neither clients nor pages": (
        "GET /build/**",  # /static-files again
        "GET /graphql",  # pages post
        "POST /2.0/mlflow/upload-artifact",  # the prompt lab's
        "GET /2.0/mlflow/get-online-trace-details",  # this and the next two answer 404 in MLflow itself
        "GET /2.0/mlflow/unified-traces",
        "POST /2.0mlflow/experiments/search-datasets",
    ),
}


def installed() -> set[Route]:
    """Return all routes of MLflow's FastAPI application and of the Flask application that is mounted in it.

    HEAD and OPTIONS, which both frameworks add by themselves, are left out.
    """
    from mlflow.server import app as flask
    from mlflow.server.fastapi_app import app as fastapi

    native: list[tuple[str, Any]] = [(str(route.path), route.methods) for route in iter_route_contexts(fastapi.routes)]
    mounts = [path for path, methods in native if not methods]
    assert mounts == [""], "Something else than Flask is mounted, or a WebSocket: walk that too."
    mounted = [(rule.rule, rule.methods) for rule in flask.url_map.iter_rules()]
    return {
        (method, _generic(path))
        for path, methods in native + mounted
        for method in set(methods or ()) - {"HEAD", "OPTIONS"}
    }


def refusal(route: Route) -> str | None:
    """Return the entry of REFUSED that `route` falls under."""
    method, path = route
    short = re.sub(r"^/(ajax-)?api(?=/\d)", "", path)
    for entries in REFUSED.values():
        for entry in entries:
            *methods, pattern = entry.split()
            below = pattern.removesuffix("**") if pattern.endswith("/**") else None
            candidates = (path, short)
            is_path = pattern in candidates or (below and any(each.startswith(below) for each in candidates))
            if is_path and (not methods or method in methods):
                return entry
    return None


def overlap(one: str, other: str) -> bool:
    """Return True if a path exists that both patterns match."""
    left, right = one.split("/"), other.split("/")
    for a, b in zip(left, right, strict=False):
        if "**" in {a, b}:
            return True
        if a != b and "*" not in {a, b}:
            return False
    return len(left) == len(right)


def _generic(path: str) -> str:
    rest = re.sub(r"<path:\w+>|\{\w+:path\}", "**", path)
    generic = re.sub(r"<\w+>|\{\w+\}", "*", rest)
    assert not re.search(r"[<>{}]", generic), f"{path} has a parameter of an unknown kind."
    return generic
