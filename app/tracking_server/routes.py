"""The routes of MLflow that are reachable; every other one answers 404.

MLflow 3.17.2 also runs shell commands (Assistant), code (scorers, jobs, prompt optimisation) and requests to addresses
that the caller names (gateway, webhooks), and has no switch for most of it. Only what is listed here passes. Which of
MLflow's other routes were refused on purpose is listed in `tests/app/tracking_server/installed.py`; a route of a later
version that is in neither list fails a test.

In a path, `*` stands for a segment and `**` for the rest.
"""

import re
from collections.abc import Iterable
from typing import Final

PAGES: Final = (
    "GET /",
    "GET /get-artifact",
    "GET /health",
    "GET /model-versions/get-artifact",
    "GET /static-files/**",
    "GET /version",
    "POST /graphql",  # reads only: no mutation of its schema changes anything, which a test holds to
)
# Below /api for clients and below /ajax-api for the pages.
API: Final = (
    "DELETE GET PUT /2.0/mlflow-artifacts/artifacts/**",
    "GET /2.0/mlflow-artifacts/artifacts",
    "GET /2.0/mlflow/artifacts/list",
    # Experiments, runs, metrics
    "POST /2.0/mlflow/experiments/create",
    "POST /2.0/mlflow/experiments/delete",
    "POST /2.0/mlflow/experiments/delete-experiment-tag",
    "GET /2.0/mlflow/experiments/get",
    "GET /2.0/mlflow/experiments/get-by-name",
    "POST /2.0/mlflow/experiments/restore",
    "GET POST /2.0/mlflow/experiments/search",
    "POST /2.0/mlflow/experiments/set-experiment-tag",
    "POST /2.0/mlflow/experiments/update",
    "GET /2.0/mlflow/metrics/get-history",
    "GET /2.0/mlflow/metrics/get-history-bulk-interval",
    "POST /2.0/mlflow/runs/create",
    "POST /2.0/mlflow/runs/delete",
    "POST /2.0/mlflow/runs/delete-tag",
    "GET /2.0/mlflow/runs/get",
    "POST /2.0/mlflow/runs/log-batch",
    "POST /2.0/mlflow/runs/log-inputs",
    "POST /2.0/mlflow/runs/log-metric",
    "POST /2.0/mlflow/runs/log-model",
    "POST /2.0/mlflow/runs/log-parameter",
    "POST /2.0/mlflow/runs/outputs",
    "POST /2.0/mlflow/runs/restore",
    "POST /2.0/mlflow/runs/search",
    "POST /2.0/mlflow/runs/set-tag",
    "POST /2.0/mlflow/runs/update",
    # Logged models
    "POST /2.0/mlflow/logged-models",
    "DELETE GET PATCH /2.0/mlflow/logged-models/*",
    "GET /2.0/mlflow/logged-models/*/artifacts/directories",
    "POST /2.0/mlflow/logged-models/*/params",
    "PATCH /2.0/mlflow/logged-models/*/tags",
    "DELETE /2.0/mlflow/logged-models/*/tags/*",
    "POST /2.0/mlflow/logged-models/search",
    # Datasets of evaluations
    "DELETE GET /3.0/mlflow/datasets/*",
    "POST /3.0/mlflow/datasets/*/add-experiments",
    "GET /3.0/mlflow/datasets/*/experiment-ids",
    "DELETE GET POST /3.0/mlflow/datasets/*/records",
    "POST /3.0/mlflow/datasets/*/remove-experiments",
    "PATCH /3.0/mlflow/datasets/*/tags",
    "DELETE /3.0/mlflow/datasets/*/tags/*",
    "POST /3.0/mlflow/datasets/create",
    "GET POST /3.0/mlflow/datasets/search",
    # Registry
    "POST /2.0/mlflow/model-versions/create",
    "DELETE /2.0/mlflow/model-versions/delete",
    "DELETE /2.0/mlflow/model-versions/delete-tag",
    "GET /2.0/mlflow/model-versions/get",
    "GET /2.0/mlflow/model-versions/get-download-uri",
    "GET /2.0/mlflow/model-versions/search",
    "POST /2.0/mlflow/model-versions/set-tag",
    "POST /2.0/mlflow/model-versions/transition-stage",
    "PATCH /2.0/mlflow/model-versions/update",
    "DELETE GET POST /2.0/mlflow/registered-models/alias",
    "POST /2.0/mlflow/registered-models/create",
    "DELETE /2.0/mlflow/registered-models/delete",
    "DELETE /2.0/mlflow/registered-models/delete-tag",
    "GET /2.0/mlflow/registered-models/get",
    "GET POST /2.0/mlflow/registered-models/get-latest-versions",
    "POST /2.0/mlflow/registered-models/rename",
    "GET /2.0/mlflow/registered-models/search",
    "POST /2.0/mlflow/registered-models/set-tag",
    "PATCH /2.0/mlflow/registered-models/update",
    # Traces and issues: the pages of an experiment read them
    "GET /2.0/mlflow/traces",
    "GET /2.0/mlflow/traces/*/info",
    "GET /3.0/mlflow/traces/*",
    "GET /3.0/mlflow/traces/*/assessments/*",
    "GET /3.0/mlflow/traces/batchGet",
    "POST /3.0/mlflow/traces/batchGetInfos",
    "POST /3.0/mlflow/traces/calculate-filter-correlation",
    "GET /3.0/mlflow/traces/get",
    "POST /3.0/mlflow/traces/metrics",
    "POST /3.0/mlflow/traces/search",
    "GET /3.0/mlflow/issues/*",
    "POST /3.0/mlflow/issues/search",
    "GET /3.0/mlflow/server-info",
)
# Below /ajax-api only.
AJAX: Final = (
    "POST /2.0/mlflow/experiments/search-datasets",
    "GET /2.0/mlflow/get-trace-artifact",
    "GET /2.0/mlflow/logged-models/*/artifacts/files",
    "GET /2.0/mlflow/metrics/get-history-bulk",
    "GET /3.0/mlflow/get-trace-artifact",
)


def allowed() -> list[tuple[str, str]]:
    """Return each allowed method with its path."""
    return [
        *_pairs("", PAGES),
        *_pairs("/api", API),
        *_pairs("/ajax-api", API),
        *_pairs("/ajax-api", AJAX),
    ]


def is_allowed(method: str, path: str) -> bool:
    """Return True if `path`, percent-decoded as MLflow's routers read it, is reachable by `method`.

    HEAD counts as GET. Paths with a segment `.` or `..` and with control characters never are.
    """
    pattern = _PATTERNS.get("GET" if method == "HEAD" else method)
    return pattern is not None and pattern.fullmatch(path) is not None


def _pairs(prefix: str, lines: Iterable[str]) -> list[tuple[str, str]]:
    split = [line.split() for line in lines]
    return [(method, prefix + path) for *methods, path in split for method in methods]


def _pattern(paths: Iterable[str]) -> re.Pattern[str]:
    character = r"[^/\x00-\x1f\x7f]"
    sources = {"**": rf"{character}(?:{character}|/)*", "*": f"{character}+"}
    parts = ["".join(sources.get(part) or re.escape(part) for part in re.split(r"(\*+)", path)) for path in paths]
    return re.compile(rf"(?!.*/\.\.?(?:/|\Z))(?:{'|'.join(parts)})")


_PATTERNS: Final = {
    method: _pattern(path for other, path in allowed() if other == method)
    for method in sorted({method for method, _ in allowed()})
}
