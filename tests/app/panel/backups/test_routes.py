"""The Backups page and the JSON of backups, for admins only."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.panel.backups.recoveries import Recoveries
from app.panel.backups.recovery import Report
from app.panel.main import create_app
from app.panel.settings import Settings
from app.panel.startup import CLI_TOKEN_FILE
from app.web.app_objects import provided_object
from bench.empty_deploy import live_at_once
from bench.empty_stages import EMPTY_STAGES
from bench.wait import until

pytestmark = pytest.mark.process


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    (settings.state_dir / CLI_TOKEN_FILE).write_text("token-of-the-terminal-of-this-panel")
    app = create_app(settings.model_copy(update={"runtime": "process"}), stages=EMPTY_STAGES, deploy=live_at_once)
    headers = {"Authorization": "Bearer token-of-the-terminal-of-this-panel", "Accept": "text/html"}
    with TestClient(app, base_url="http://127.0.0.1:8080", headers=headers) as client:
        yield client


def test_backup_is_listed_and_downloaded_when_it_was_made(client: TestClient, settings: Settings) -> None:
    assert "No backups yet." in client.get("/backups").text
    assert client.post("/api/v1/backups").status_code == 202
    until(
        lambda: client.get("/api/v1/backups").json()["progress"]["running_since"] is None,
        within_s=60.0,
        what="the backup is made",
    )
    (backup,) = client.get("/api/v1/backups").json()["backups"]
    assert backup["name"] in client.get("/backups").text
    file = client.get(f"/backups/files/{backup['name']}")
    assert file.content == (settings.state_dir / "backups" / backup["name"]).read_bytes()
    assert file.headers["content-disposition"] == f'attachment; filename="{backup["name"]}"'


@pytest.mark.parametrize("name", ["nothing.tar.gz", "automated-ml-pipeline-20200101-000000.tar.gz", "..%2Fpanel.db"])
def test_nothing_is_sent_when_there_is_no_such_backup(client: TestClient, name: str) -> None:
    assert client.get(f"/backups/files/{name}").status_code == 404


def test_every_page_says_it_until_it_is_confirmed_when_something_was_restored(client: TestClient) -> None:
    recoveries = provided_object(client.app, Recoveries)  # type: ignore[arg-type]
    recoveries.add("The <file> was gone.", Report(runs=(1, 2), missing_runs=(3,), moved_to="panel.db.corrupt-1"))
    assert "The &lt;file&gt; was gone." in client.get("/").text
    page = client.get("/backups").text
    assert "2 runs (1 to 2) were read back from the folder of runs." in page
    assert "Nothing is left of run 3." in page
    client.post(f"/backups/recoveries/{recoveries.newest()[0].id}/confirm")
    assert "was gone" not in client.get("/").text
    assert "What was restored earlier" in client.get("/backups").text
    assert client.post("/backups/recoveries/99/confirm").status_code == 404


def test_reason_is_shown_when_the_place_of_backups_cannot_be_read(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "away").write_text("no folder")
    (settings.state_dir / CLI_TOKEN_FILE).write_text("token-of-the-terminal-of-this-panel")
    changed = settings.model_copy(update={"runtime": "process", "backup_url": str(tmp_path / "away" / "below")})
    app = create_app(changed, stages=EMPTY_STAGES, deploy=live_at_once)
    headers = {"Authorization": "Bearer token-of-the-terminal-of-this-panel", "Accept": "text/html"}
    with TestClient(app, base_url="http://127.0.0.1:8080", headers=headers) as client:
        client.post("/backups")
        until(lambda: "BACKUP-03" in client.get("/backups").text, within_s=60.0, what="the reason is shown")
