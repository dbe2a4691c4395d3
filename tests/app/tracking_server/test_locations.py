"""Which places for artifacts a caller may name."""

import pytest

from app.tracking_server.locations import refused_location
from app.tracking_server.writes import Write

CREATE = "/2.0/mlflow/experiments/create"
VERSION = "/2.0/mlflow/model-versions/create"
FOREIGN = (
    "file:///tmp/x",
    "/tmp/x",
    "tmp/x",
    "C:\\x",
    "s3://bucket/x",
    "http://127.0.0.1/x",
    "http://127.0.0.1/api/2.0/mlflow-artifacts/artifacts/x",
    "ftp://host/x",
    "mlflow-artifacts://host/x",
    "mlflow-artifacts://host:1/x",
    "mlflow-artifacts:///x",
    "mlflow-artifacts:x",
    "mlflow-artifacts:/",
    "mlflow-artifacts:/x/../1",
    "mlflow-artifacts:/..",
    "mlflow-artifacts:/x/./y",
    "mlflow-artifacts:/x/%2e%2e/1",
    "mlflow-artifacts:/x?a=b",
    "mlflow-artifacts:/x#a",
    "mlflow-artifacts:/x\n",
    "MLFLOW-ARTIFACTS:/x",
    " mlflow-artifacts:/x",
)


@pytest.mark.parametrize(
    "location", [*FOREIGN, "mlflow-artifacts:/1", "mlflow-artifacts:/12/x", "models:/m/1", "runs:/a/b"]
)
@pytest.mark.parametrize("member", ["artifact_location", "artifactLocation", "artifact_uri", "artifactUri"])
def test_a_location_is_refused_when_it_is_not_a_folder_of_its_own_here(location: str, member: str) -> None:
    for path in (
        CREATE,
        "/2.0/mlflow/runs/create",
        "/2.0/mlflow/logged-models",
        "/2.0/mlflow/registered-models/create",
    ):
        reason = refused_location(Write("POST", path, {"name": "x", member: location}))
        assert reason is not None
        assert "leave it out" in reason


@pytest.mark.parametrize(
    "location", ["", "mlflow-artifacts:/shared", "mlflow-artifacts:/my project/ünì.1", "mlflow-artifacts:/v1"]
)
def test_a_location_passes_when_it_is_a_folder_of_its_own_here(location: str) -> None:
    assert refused_location(Write("POST", CREATE, {"name": "x", "artifact_location": location})) is None
    assert refused_location(Write("POST", CREATE, {"name": "x"})) is None


@pytest.mark.parametrize(
    "source", [*FOREIGN, "runs://host/a/b", "models://host/a", "models:/..", "dbfs:/x", "dummy-source/x", ""]
)
def test_a_source_is_refused_when_it_is_not_here(source: str) -> None:
    reason = refused_location(Write("POST", VERSION, {"name": "x", "source": source}))
    assert reason is not None
    assert "runs:/, models:/ or mlflow-artifacts:/" in reason


@pytest.mark.parametrize(
    "source",
    [
        "models:/m-0123456789abcdef0123456789abcdef",
        "models:/name@champion",
        "models:/name/1",
        "runs:/0123456789abcdef0123456789abcdef/a model/größe",
        "mlflow-artifacts:/1/0123456789abcdef0123456789abcdef/artifacts/model",
        "dummy-source",
        "prompt-template",
    ],
)
def test_a_source_passes_when_mlflows_clients_write_it(source: str) -> None:
    assert refused_location(Write("POST", VERSION, {"name": "x", "source": source})) is None


def test_the_source_of_a_dataset_is_only_a_note_when_it_is_an_address() -> None:
    assert refused_location(Write("POST", "/3.0/mlflow/datasets/create", {"source": "s3://bucket/x"})) is None
