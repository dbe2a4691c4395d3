"""The panel does what its OpenAPI document says: schemathesis sends what the document allows, and what it does not."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from schemathesis.python import asgi

from app.panel import startup
from app.panel.main import create_app
from app.panel.runs.stage_process import launcher
from app.panel.settings import Settings
from app.web.wrong_tokens import WrongTokens
from bench.empty_deploy import live_at_once
from bench.empty_stages import EMPTY_STAGES
from tests.app.panel.runs.panel_harness import PRELOAD
from tests.contracts.openapi_violations import LOOSE, OPTIONS, violations

pytestmark = [pytest.mark.process, pytest.mark.slow]

SKIPPED_PATHS = (
    "/api/v1/runs/{run_id}/log/stream",  # never ends while a run goes on
    "/api/v1/services/{name}/restart",  # ends and starts processes, of which there are none here
)
# What a schema cannot say: which names of files, users and tokens are taken, how strong a password is, that there must be
# an admin, and what the parameters of a run are, which have a schema of their own.
LOOSE_PATHS = (
    "/api/v1/datasets",
    "/api/v1/tokens",
    "/api/v1/users",
    "/api/v1/users/{name}",
    "/api/v1/users/{name}/password",
    "/api/v1/runs",
    "/api/v1/runs/{run_id}/rerun",
)
REFUSALS = ["400", "401", "403", "404", "409", "413", "415", "422", "429"]


@pytest.fixture(autouse=True)
def stop_apps() -> Iterator[None]:
    yield
    asgi.shutdown_lifespans()


def test_the_panel_keeps_to_its_document_when_an_admin_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher.Launcher.__init__, "__defaults__", (None, PRELOAD))
    # schemathesis calls with wrong tokens, too, and expects 401 each time.
    monkeypatch.setattr(WrongTokens.__init__, "__defaults__", (10_000,))
    settings = Settings(
        data_dir=tmp_path / "data",
        state_dir=tmp_path / "state",
        models_dir=tmp_path / "models",
        retries=0,
        runtime="process",
        panel_port=80,
        allowed_hosts="testserver",  # as schemathesis calls it
    )
    settings.state_dir.mkdir()
    token = startup.ensure_cli_token(settings.state_dir)
    options = {
        # As the panel's own pages: without it, a change without a token is refused for where it comes from.
        "headers": {"Authorization": f"Bearer {token}", "Sec-Fetch-Site": "same-origin"},
        "generation": {**OPTIONS["generation"], "max-examples": 5},
        "checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}},
        "operations": [
            *({"include-path": path, "enabled": False} for path in SKIPPED_PATHS),
            *({"include-path": path, **LOOSE} for path in LOOSE_PATHS),
        ],
    }
    app = create_app(settings, stages=EMPTY_STAGES, deploy=live_at_once)
    assert violations(app, options, min_requests=300) == []
