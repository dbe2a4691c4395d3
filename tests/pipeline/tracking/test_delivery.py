"""A delivery writes to the artifacts of its own experiment on its own server, whatever MLflow says."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.bundle import read_manifest
from pipeline.core.product import NAME
from tests.builders.certificates import make_certificate
from tests.builders.http_server import Answer, Request, http_server, lying_server
from tests.pipeline.tracking.conftest import deliver

pytestmark = pytest.mark.process


@pytest.fixture
def client(server: str) -> Iterator[Any]:
    """Yield MLflow's own client; what the test has left under the product's name is renamed after it."""
    import mlflow

    mlflow.set_tracking_uri(server)
    client = mlflow.MlflowClient()
    yield client
    experiment = client.get_experiment_by_name(NAME)
    if experiment is not None:
        if experiment.lifecycle_stage == "deleted":
            client.restore_experiment(experiment.experiment_id)
        client.rename_experiment(experiment.experiment_id, f"{NAME} {experiment.experiment_id}")
    if client.search_registered_models(f"name = '{NAME}'"):
        client.delete_registered_model(NAME)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Return an empty folder that nothing may write to."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def _named(record: Path, folder: Path, run_id: str) -> Path:
    """Return a copy of the record under another run's id."""
    shutil.copytree(record, folder / "record")
    stored = folder / "record" / "record.json"
    stored.write_text(stored.read_text("utf-8").replace('"r1"', f'"{run_id}"'), "utf-8")
    return folder / "record"


@pytest.mark.parametrize(
    "location",
    ["file://{elsewhere}", "{elsewhere}", "mlflow-artifacts:/0", "mlflow-artifacts:/shared", "s3://bucket/path"],
)
def test_nothing_is_written_when_the_experiment_was_remade_with_another_location(
    client: Any, record: Path, elsewhere: Path, location: str, make_foreign: Callable[[str, str], str]
) -> None:
    make_foreign(NAME, location.format(elsewhere=elsewhere))
    code, problem, _ = deliver(record, client.tracking_uri, "--champion")
    assert (code, problem["id"], problem["retryable"]) == (3, "MLF-12", True)
    assert "experiment" in problem["what"]
    assert location.format(elsewhere=elsewhere) in problem["why"]
    assert "Rename" in problem["fix"]
    assert list(elsewhere.rglob("*")) == []
    assert client.search_runs([client.get_experiment_by_name(NAME).experiment_id]) == []


def test_records_arrive_when_the_foreign_experiment_has_got_another_name(
    client: Any, server: str, record: Path, elsewhere: Path, make_foreign: Callable[[str, str], str]
) -> None:
    foreign = make_foreign(NAME, f"file://{elsewhere}")
    assert deliver(record, server)[0] == 3
    client.rename_experiment(foreign, "not ours")
    code, delivered, _ = deliver(record, server)
    assert code == 0
    assert delivered["experiment_id"] != foreign


def test_it_is_said_when_the_experiment_is_deleted(client: Any, server: str, record: Path) -> None:
    code, delivered, _ = deliver(record, server)
    assert code == 0
    client.delete_experiment(delivered["experiment_id"])
    code, problem, _ = deliver(record, server)
    assert (code, problem["id"], problem["retryable"]) == (3, "MLF-13", True)
    assert f"--experiment-id {delivered['experiment_id']}" in problem["command"]
    client.restore_experiment(delivered["experiment_id"])
    assert deliver(record, server)[0] == 0


@pytest.mark.parametrize(
    ("pattern", "lie"),
    [
        (r'"mlflow-artifacts:/\d+/[0-9a-f]{32}/artifacts"', '"file://{elsewhere}"'),
        (r'"mlflow-artifacts:/\d+/[0-9a-f]{32}/artifacts"', '"mlflow-artifacts:/0/abc/artifacts"'),
        (r'"mlflow-artifacts:/\d+/[0-9a-f]{32}/artifacts"', '"mlflow-artifacts://127.0.0.1:9/1/abc/artifacts"'),
        (r'"mlflow-artifacts:/(\d+)/[0-9a-f]{32}/artifacts"', r'"mlflow-artifacts:/\1/../0/artifacts"'),
        (r'"mlflow-artifacts:/(\d+)/[0-9a-f]{32}/artifacts"', r'"mlflow-artifacts:/\1/%2e%2e/0/artifacts"'),
        (r'"mlflow-artifacts:/\d+/models/m-[0-9a-f]{32}/artifacts"', '"file://{elsewhere}"'),
        (r'"mlflow-artifacts:/\d+/models/m-[0-9a-f]{32}/artifacts"', '"{elsewhere}"'),
        (r'"mlflow-artifacts:/\d+/models/(m-[0-9a-f]{32})/artifacts"', r'"mlflow-artifacts:/0/models/\1/artifacts"'),
        (r'"source": "models:/m-[0-9a-f]{32}"', '"source": "file://{elsewhere}"'),
    ],
)
def test_nothing_is_written_there_when_the_server_names_another_place(
    client: Any, record: Path, elsewhere: Path, pattern: str, lie: str
) -> None:
    with lying_server(client.tracking_uri, {pattern: lie.format(elsewhere=elsewhere)}) as liar:
        code, problem, _ = deliver(_named(record, elsewhere.parent, "lied-to"), liar, "--champion")
    assert (code, problem["id"]) == (3, "MLF-12"), problem
    assert list(elsewhere.rglob("*")) == []
    models = client.search_registered_models(f"name = '{NAME}'")
    assert [model.aliases for model in models if model.aliases] == []


def test_the_alias_goes_to_our_own_version_when_a_foreign_one_has_our_run(
    client: Any, server: str, record: Path, tmp_path: Path
) -> None:
    """Whoever can register a version for the MLflow run of a delivery that was cut off would be served as champion."""
    code, delivered, _ = deliver(record, server)
    assert code == 0
    run_id = delivered["mlflow_run_id"]
    ours = client.get_model_version(NAME, str(delivered["model_version"]))
    client.delete_model_version(NAME, ours.version)
    (tmp_path / "MLmodel").write_text("flavors: {}")
    client.log_artifact(run_id, str(tmp_path / "MLmodel"), "evil")
    uri = f"{client.get_run(run_id).info.artifact_uri}/evil"
    foreign = client.create_model_version(
        NAME, uri, run_id, tags={"run_id": "r1", "digest": read_manifest(record).digest}
    )
    other_model = client.create_logged_model(client.get_run(run_id).info.experiment_id, name="other")
    no_run = client.create_model_version(NAME, f"models:/{other_model.model_id}", run_id, model_id=other_model.model_id)
    code, again, _ = deliver(record, server, "--champion")
    assert code == 0
    assert again["mlflow_run_id"] == run_id
    champion = client.get_model_version_by_alias(NAME, "champion")
    assert champion.version not in {foreign.version, no_run.version}
    assert int(champion.version) == again["model_version"]
    assert champion.tags["digest"] == read_manifest(record).digest
    assert deliver(record, server, "--champion")[1] == again


def test_a_run_of_another_experiment_is_left_alone_when_it_has_our_tag(
    client: Any, server: str, record: Path, tmp_path: Path
) -> None:
    foreign = client.create_run(client.create_experiment("somebody else's"), tags={"run_id": "tagged"})
    code, delivered, _ = deliver(_named(record, tmp_path, "tagged"), server)
    assert code == 0
    assert delivered["mlflow_run_id"] != foreign.info.run_id
    assert client.get_run(foreign.info.run_id).info.status == "RUNNING"


def test_a_run_is_refused_when_the_server_returns_one_of_another_experiment(
    client: Any, server: str, record: Path, tmp_path: Path
) -> None:
    foreign = client.create_experiment("the liar's")
    client.create_run(foreign, tags={"run_id": "moved"})
    deliver(record, server)
    ours = client.get_experiment_by_name(NAME).experiment_id
    run = client.create_run(ours, tags={"run_id": "moved"}).info.run_id
    lie = {
        rf"mlflow-artifacts:/{ours}/{run}": f"mlflow-artifacts:/{foreign}/{run}",
        f'"experiment_id": "{ours}"': f'"experiment_id": "{foreign}"',
    }
    with lying_server(server, lie) as liar:
        code, problem, _ = deliver(_named(record, tmp_path, "moved"), liar)
    assert (code, problem["id"]) == (3, "MLF-12")


def test_another_host_gets_nothing_when_the_server_redirects_there(record: Path) -> None:
    seen: list[Request] = []

    def elsewhere(request: Request) -> Answer:
        seen.append(request)
        return Answer(body=b"{}")

    with (
        http_server(elsewhere) as other,
        http_server(lambda request: Answer(307, {"Location": other + request.path})) as server,
    ):
        code, problem, _ = deliver(record, server)
    assert (code, problem["id"], seen) == (3, "MLF-11", [])


def test_record_is_delivered_by_https_when_the_server_has_the_certificate_that_the_panel_named(
    client: Any, record: Path, tmp_path: Path
) -> None:
    files = make_certificate(tmp_path)
    (tmp_path / "other").mkdir()
    other = make_certificate(tmp_path / "other")
    with lying_server(client.tracking_uri, {}, tls=files) as address:
        code, problem, _ = deliver(record, address, env={"PANEL_TLS_CERT": str(other.cert)})
        assert (code, problem["id"], problem["retryable"]) == (3, "MLF-11", True)
        assert client.search_registered_models(f"name = '{NAME}'") == []
        code, delivered, _ = deliver(record, address, env={"PANEL_TLS_CERT": str(files.cert)})
    assert code == 0, delivered
    assert client.get_run(delivered["mlflow_run_id"]).info.status == "FINISHED"


@pytest.mark.parametrize("route", ["runs/create", "model-versions/create"])
def test_there_is_one_run_and_one_version_when_an_answer_of_mlflow_was_lost(
    client: Any, server: str, record: Path, tmp_path: Path, route: str
) -> None:
    lost: list[str] = []

    def is_lost(request: Request) -> bool:
        is_first = request.path.endswith(route) and not lost
        if is_first:
            lost.append(request.path)
        return is_first

    named = _named(record, tmp_path, "lost")
    with lying_server(server, {}, is_lost=is_lost) as proxy:
        assert deliver(named, proxy)[1].get("id") == "MLF-11"
        assert deliver(named, proxy)[0] == 0
    ours = client.get_experiment_by_name(NAME).experiment_id
    [run] = client.search_runs([ours], "tags.run_id = 'lost'")
    assert run.info.status == "FINISHED"
    assert len(client.search_model_versions(f"run_id = '{run.info.run_id}'")) == 1
