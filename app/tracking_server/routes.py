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

# All of it reads.
PAGES: Final = (
    "GET /",
    "GET /get-artifact",
    "GET /health",
    "GET /model-versions/get-artifact",
    "GET /static-files/**",
    "GET /version",
    "POST /graphql",  # reads only: no mutation of its schema changes anything, which a test holds to
)
# Below /api for clients and below /ajax-api for the pages. What only reads, whatever its method,
API_READS: Final = (
    "GET /2.0/mlflow-artifacts/artifacts/**",
    "GET /2.0/mlflow-artifacts/artifacts",
    "GET /2.0/mlflow/artifacts/list",
    # Experiments, runs, metrics
    "GET /2.0/mlflow/experiments/get",
    "GET /2.0/mlflow/experiments/get-by-name",
    "GET POST /2.0/mlflow/experiments/search",
    "GET /2.0/mlflow/metrics/get-history",
    "GET /2.0/mlflow/metrics/get-history-bulk-interval",
    "GET /2.0/mlflow/runs/get",
    "POST /2.0/mlflow/runs/search",
    # Logged models
    "GET /2.0/mlflow/logged-models/*",
    "GET /2.0/mlflow/logged-models/*/artifacts/directories",
    "POST /2.0/mlflow/logged-models/search",
    # Datasets of evaluations
    "GET /3.0/mlflow/datasets/*",
    "GET /3.0/mlflow/datasets/*/experiment-ids",
    "GET /3.0/mlflow/datasets/*/records",
    "GET POST /3.0/mlflow/datasets/search",
    # Registry
    "GET /2.0/mlflow/model-versions/get",
    "GET /2.0/mlflow/model-versions/get-download-uri",
    "GET /2.0/mlflow/model-versions/search",
    "GET /2.0/mlflow/registered-models/alias",
    "GET /2.0/mlflow/registered-models/get",
    "GET POST /2.0/mlflow/registered-models/get-latest-versions",
    "GET /2.0/mlflow/registered-models/search",
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
# and what changes something.
API_WRITES: Final = (
    "DELETE PUT /2.0/mlflow-artifacts/artifacts/**",
    # Experiments, runs, metrics
    "POST /2.0/mlflow/experiments/create",
    "POST /2.0/mlflow/experiments/delete",
    "POST /2.0/mlflow/experiments/delete-experiment-tag",
    "POST /2.0/mlflow/experiments/restore",
    "POST /2.0/mlflow/experiments/set-experiment-tag",
    "POST /2.0/mlflow/experiments/update",
    "POST /2.0/mlflow/runs/create",
    "POST /2.0/mlflow/runs/delete",
    "POST /2.0/mlflow/runs/delete-tag",
    "POST /2.0/mlflow/runs/log-batch",
    "POST /2.0/mlflow/runs/log-inputs",
    "POST /2.0/mlflow/runs/log-metric",
    "POST /2.0/mlflow/runs/log-model",
    "POST /2.0/mlflow/runs/log-parameter",
    "POST /2.0/mlflow/runs/outputs",
    "POST /2.0/mlflow/runs/restore",
    "POST /2.0/mlflow/runs/set-tag",
    "POST /2.0/mlflow/runs/update",
    # Logged models
    "POST /2.0/mlflow/logged-models",
    "DELETE PATCH /2.0/mlflow/logged-models/*",
    "POST /2.0/mlflow/logged-models/*/params",
    "PATCH /2.0/mlflow/logged-models/*/tags",
    "DELETE /2.0/mlflow/logged-models/*/tags/*",
    # Datasets of evaluations
    "DELETE /3.0/mlflow/datasets/*",
    "POST /3.0/mlflow/datasets/*/add-experiments",
    "DELETE POST /3.0/mlflow/datasets/*/records",
    "POST /3.0/mlflow/datasets/*/remove-experiments",
    "PATCH /3.0/mlflow/datasets/*/tags",
    "DELETE /3.0/mlflow/datasets/*/tags/*",
    "POST /3.0/mlflow/datasets/create",
    # Registry
    "POST /2.0/mlflow/model-versions/create",
    "DELETE /2.0/mlflow/model-versions/delete",
    "DELETE /2.0/mlflow/model-versions/delete-tag",
    "POST /2.0/mlflow/model-versions/set-tag",
    "POST /2.0/mlflow/model-versions/transition-stage",
    "PATCH /2.0/mlflow/model-versions/update",
    "DELETE POST /2.0/mlflow/registered-models/alias",
    "POST /2.0/mlflow/registered-models/create",
    "DELETE /2.0/mlflow/registered-models/delete",
    "DELETE /2.0/mlflow/registered-models/delete-tag",
    "POST /2.0/mlflow/registered-models/rename",
    "POST /2.0/mlflow/registered-models/set-tag",
    "PATCH /2.0/mlflow/registered-models/update",
)
# Below /ajax-api only; all of it reads.
AJAX_READS: Final = (
    "POST /2.0/mlflow/experiments/search-datasets",
    "GET /2.0/mlflow/get-trace-artifact",
    "GET /2.0/mlflow/logged-models/*/artifacts/files",
    "GET /2.0/mlflow/metrics/get-history-bulk",
    "GET /3.0/mlflow/get-trace-artifact",
)


def reads() -> list[tuple[str, str]]:
    """Return each allowed method, with its path, that changes nothing."""
    return [
        *_pairs("", PAGES),
        *_pairs("/api", API_READS),
        *_pairs("/ajax-api", API_READS),
        *_pairs("/ajax-api", AJAX_READS),
    ]


def writes() -> list[tuple[str, str]]:
    """Return each allowed method, with its path, that changes something."""
    return [*_pairs("/api", API_WRITES), *_pairs("/ajax-api", API_WRITES)]


def allowed() -> list[tuple[str, str]]:
    """Return each allowed method with its path."""
    return [*reads(), *writes()]


def is_allowed(method: str, path: str) -> bool:
    """Return True if `path`, percent-decoded as MLflow's routers read it, is reachable by `method`.

    HEAD counts as GET. Paths with a segment `.` or `..` and with control characters never are.
    """
    return is_read(method, path) or is_write(method, path)


def is_read(method: str, path: str) -> bool:
    """Return True if the request is allowed and changes nothing."""
    return _matches(_READS, "GET" if method == "HEAD" else method, path)


def is_write(method: str, path: str) -> bool:
    """Return True if the request is allowed and changes something."""
    return _matches(_WRITES, method, path)


def _pairs(prefix: str, lines: Iterable[str]) -> list[tuple[str, str]]:
    split = [line.split() for line in lines]
    return [(method, prefix + path) for *methods, path in split for method in methods]


def _pattern(paths: Iterable[str]) -> re.Pattern[str]:
    character = r"[^/\x00-\x1f\x7f]"
    sources = {"**": rf"{character}(?:{character}|/)*", "*": f"{character}+"}
    parts = ["".join(sources.get(part) or re.escape(part) for part in re.split(r"(\*+)", path)) for path in paths]
    return re.compile(rf"(?!.*/\.\.?(?:/|\Z))(?:{'|'.join(parts)})")


def _patterns(routes: list[tuple[str, str]]) -> dict[str, re.Pattern[str]]:
    methods = {method for method, _ in routes}
    return {method: _pattern(path for other, path in routes if other == method) for method in sorted(methods)}


def _matches(patterns: dict[str, re.Pattern[str]], method: str, path: str) -> bool:
    pattern = patterns.get(method)
    return pattern is not None and pattern.fullmatch(path) is not None


_READS: Final = _patterns(reads())
_WRITES: Final = _patterns(writes())
