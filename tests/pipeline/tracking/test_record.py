"""A record reaches a real MLflow server once, and the model loads there by its alias and answers raw columns."""

import shutil
import socket
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.core.bundle import read_manifest
from pipeline.core.product import NAME
from pipeline.tracking.record import read_record
from tests.pipeline.cycle import odd_table
from tests.pipeline.tracking.conftest import deliver

pytestmark = pytest.mark.process


def test_record_is_whole_when_training_ends(record: Path) -> None:
    assert {path.name for path in record.iterdir()} == {
        "record.json",
        "model.onnx",
        "manifest.json",
        "cells.py",
        "evaluation.json",
        "profile.json",
        "plots",
    }
    stored = read_record(record)
    assert stored.tags["digest"] == read_manifest(record).digest
    assert stored.params["estimator"] == "linear"
    assert {"roc_auc", "baseline_roc_auc", "threshold"} <= set(stored.metrics)
    assert {path.stem for path in (record / "plots").iterdir()} >= {"roc", "confusion", "importances"}


def test_model_loads_by_alias_and_answers_raw_columns_when_delivered_as_champion(server: str, record: Path) -> None:
    code, response, _ = deliver(record, server, "--champion")
    assert (code, response["champion"]) == (0, True)
    again_code, again, _ = deliver(record, server, "--champion")
    assert (again_code, again) == (0, response)

    import mlflow

    mlflow.set_tracking_uri(server)
    client = mlflow.MlflowClient()
    runs = client.search_runs([response["experiment_id"]])
    assert [run.info.run_id for run in runs] == [response["mlflow_run_id"]]
    run = runs[0]
    assert run.info.status == "FINISHED"
    assert run.data.tags["run_id"] == "r1"
    assert run.data.params["estimator"] == "linear"
    assert run.data.metrics["roc_auc"] == read_record(record).metrics["roc_auc"]
    assert run.inputs.dataset_inputs[0].dataset.name == "data/raw"
    assert "plots/roc.svg" in {item.path for item in client.list_artifacts(run.info.run_id, "plots")}
    assert len(client.search_model_versions(f"name = '{NAME}'")) == 1

    manifest = read_manifest(record)
    model = mlflow.pyfunc.load_model(f"models:/{NAME}@champion")
    frame = pd.DataFrame([golden.record for golden in manifest.golden], index=range(10, 10 + len(manifest.golden)))
    expected = np.array([golden.probabilities for golden in manifest.golden])
    answers = model.predict(frame)
    assert list(answers.columns) == ["prediction", "probability_no", "probability_yes"]
    assert list(answers.index) == list(frame.index)
    assert np.abs(answers[["probability_no", "probability_yes"]].to_numpy() - expected).max() <= 1e-6
    assert (answers["prediction"] == np.where(expected[:, 1] >= manifest.threshold, "yes", "no")).all()
    assert len(model.predict(frame[["whole"]])) == len(frame)  # the other columns count as missing
    table = odd_table().drop(columns=["level", "price", "yes"]).head(50)
    as_text = table.assign(
        flag=[str(flag).upper() for flag in table["flag"]],
        whole=[f"{whole + 1000:,} %" for whole in table["whole"]],
    )
    table = table.assign(whole=table["whole"] + 1000)
    pd.testing.assert_frame_equal(model.predict(as_text), model.predict(table))


def test_delivery_is_completed_when_an_earlier_one_was_cut_off(server: str, record: Path, tmp_path: Path) -> None:
    import mlflow

    mlflow.set_tracking_uri(server)
    client = mlflow.MlflowClient()
    existing = client.get_experiment_by_name(NAME)
    experiment = existing.experiment_id if existing else client.create_experiment(NAME)
    cut_run = client.create_run(experiment, tags={"run_id": "cut"})  # all that the first delivery got to
    shutil.copytree(record, tmp_path / "record")
    stored = tmp_path / "record" / "record.json"
    stored.write_text(stored.read_text("utf-8").replace('"r1"', '"cut"'), "utf-8")
    code, response, _ = deliver(tmp_path / "record", server)
    assert (code, response["mlflow_run_id"], response["champion"]) == (0, cut_run.info.run_id, False)
    assert client.get_run(cut_run.info.run_id).info.status == "FINISHED"


def test_delivery_fails_in_seconds_with_mlf_11_when_no_server_answers(record: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{free.getsockname()[1]}"
        code, response, took_s = deliver(record, uri)
    assert (code, response["id"], response["retryable"]) == (3, "MLF-11", True)
    assert took_s < 60


def test_delivery_fails_with_mlf_11_when_the_server_hangs(record: Path) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        uri = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        code, response, _ = deliver(record, uri, env={"MLFLOW_HTTP_REQUEST_TIMEOUT": "1"})
    assert (code, response["id"]) == (3, "MLF-11")


def test_delivery_is_given_up_with_mlf_10_when_the_record_is_gone(tmp_path: Path) -> None:
    code, response, _ = deliver(tmp_path / "nothing", "http://127.0.0.1:9")
    assert (code, response["id"], response["retryable"]) == (2, "MLF-10", False)
