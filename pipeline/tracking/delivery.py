"""Delivers the record of a run to MLflow, with MLflow's own client, in a process of its own:
`python -m pipeline.tracking.delivery RECORD_DIR --tracking-uri URL [--champion]`.

Repeating a delivery changes nothing: the MLflow run is found by the tag `run_id`, and its model version by the run.
"""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pandas as pd
from pydantic import BaseModel, ValidationError

from pipeline.core.bundle import MANIFEST_FILE, MODEL_FILE, read_manifest
from pipeline.core.certificates import first_certificate
from pipeline.core.manifest import Manifest
from pipeline.core.problems import BundleError, ProblemError
from pipeline.core.product import CHAMPION_ALIAS, NAME
from pipeline.core.stage import EVALUATION_FILE, PROFILE_FILE
from pipeline.tracking.locations import MODEL_ID, Locations
from pipeline.tracking.problems import (
    DeliveryError,
    ExperimentDeletedError,
    ForeignLocationError,
    UnreadableRecordError,
)
from pipeline.tracking.record import CELLS_FILE, PLOTS_DIR, Record, read_record

MAX_RETRIES: Final = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
MODEL_SCRIPT: Final = Path(__file__).with_name("mlflow_model.py")
# A server that is down costs seconds, not MLflow's own four minutes. Variables that are already set win.
MLFLOW_ENVIRONMENT: Final = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    MAX_RETRIES: "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}
# These are no one's to choose: the record goes to the server that was named, not to where that one sends it.
CONFINED_ENVIRONMENT: Final = {
    "MLFLOW_ALLOW_HTTP_REDIRECTS": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
}


# Set by the panel: the file of the only certificate that is accepted of a server at https.
CERTIFICATE: Final = "PANEL_TLS_CERT"


class Delivered(BaseModel):
    """Location of a record in MLflow."""

    experiment_id: str
    mlflow_run_id: str
    model_version: int
    champion: bool


def deliver(folder: Path, tracking_uri: str, *, champion: bool) -> Delivered:
    """Create or complete the MLflow run of the record in `folder`; with `champion`, give its model the alias.

    Nothing is written but to artifacts of the product's own experiment on that server. Raises UnreadableRecordError;
    and, all retryable, DeliveryError if MLflow does not answer or refuses, ForeignLocationError if it names another
    place, ExperimentDeletedError.
    """
    try:
        record, manifest = read_record(folder), read_manifest(folder)
    except (OSError, ValidationError, BundleError) as error:
        raise UnreadableRecordError(error) from error
    for name, value in MLFLOW_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ.update(CONFINED_ENVIRONMENT)
    import mlflow  # noqa: PLC0415  # two seconds that nobody else in this package pays
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    mlflow.set_tracking_uri(tracking_uri)
    if tracking_uri.startswith("https://") and os.environ.get(CERTIFICATE):
        _accept_only(Path(os.environ[CERTIFICATE]))
    try:
        return _Delivery(mlflow, folder, record, manifest).run(champion=champion)
    except (MlflowException, OSError) as error:
        raise DeliveryError(error) from error


def _accept_only(certificate: Path) -> None:
    """Let this process speak to the server with that certificate only, under whatever name. Raises DeliveryError.

    MLflow can be told to trust an authority or nobody; the panel reaches its server by address, and the certificate
    may be self-signed. With a fingerprint, urllib3 compares that instead of looking at names and authorities.
    """
    adapter = import_module("requests.adapters").HTTPAdapter
    init = adapter.init_poolmanager
    try:
        fingerprint = hashlib.sha256(first_certificate(certificate)).hexdigest()
    except (OSError, ValueError) as error:
        raise DeliveryError(error) from error

    def init_pinned(self: object, *args: object, **kwargs: object) -> None:
        init(self, *args, **kwargs, assert_fingerprint=fingerprint)

    adapter.init_poolmanager = init_pinned
    os.environ["MLFLOW_TRACKING_INSECURE_TLS"] = "true"


class _Delivery:
    def __init__(self, mlflow: Any, folder: Path, record: Record, manifest: Manifest) -> None:  # noqa: ANN401  # a module
        self._mlflow = mlflow
        self._client = mlflow.MlflowClient()
        self._folder = folder
        self._record = record
        self._manifest = manifest

    def run(self, *, champion: bool) -> Delivered:
        experiment_id = self._experiment()
        locations = Locations(experiment_id)
        locations.confine(self._folder)
        run = self._find(experiment_id) or self._create(experiment_id)
        run_id = str(run.info.run_id)
        _expect("a run", run.info.artifact_uri, locations.of_run(run_id))
        version = self._version(run_id, locations)
        if run.info.status != "FINISHED" or version is None:
            self._describe(run_id)
            version = version or self._register(run_id, locations)
            self._client.set_terminated(run_id, "FINISHED", self._time_ms())
        if champion:
            self._client.set_registered_model_alias(NAME, CHAMPION_ALIAS, str(version))
        return Delivered(experiment_id=experiment_id, mlflow_run_id=run_id, model_version=version, champion=champion)

    def _experiment(self) -> str:
        experiment = self._client.get_experiment_by_name(NAME)
        if experiment is None:
            experiment = self._client.get_experiment(self._create_experiment())
        experiment_id = str(experiment.experiment_id)
        if experiment.lifecycle_stage != "active":
            raise ExperimentDeletedError(experiment_id, self._mlflow.get_tracking_uri())
        _expect("an experiment", experiment.artifact_location, Locations(experiment_id).experiment)
        return experiment_id

    def _create_experiment(self) -> str:
        try:
            return str(self._client.create_experiment(NAME))
        except self._mlflow.exceptions.MlflowException:
            created_meanwhile = self._client.get_experiment_by_name(NAME)
            if created_meanwhile is None:
                raise
            return str(created_meanwhile.experiment_id)

    def _find(self, experiment_id: str) -> Any:  # noqa: ANN401  # mlflow's Run or None
        runs = self._client.search_runs([experiment_id], f"tags.run_id = '{self._record.run_id}'", max_results=1)
        return runs[0] if runs else None

    def _create(self, experiment_id: str) -> Any:  # noqa: ANN401  # mlflow's Run
        with _sent_once():
            return self._client.create_run(
                experiment_id,
                start_time=self._time_ms(),
                run_name=f"version {self._record.version}",
                tags={"run_id": self._record.run_id},
            )

    def _describe(self, run_id: str) -> None:
        """Write everything but the model; writing it twice changes nothing."""
        entities = self._mlflow.entities
        now = self._time_ms()
        self._client.log_batch(
            run_id,
            metrics=[entities.Metric(name, value, now, 0) for name, value in self._record.metrics.items()],
            params=[entities.Param(name, str(value)[:6000]) for name, value in self._record.params.items()],
            tags=[entities.RunTag(name, value[:5000]) for name, value in self._record.tags.items()],
        )
        manifest = self._manifest
        dataset = entities.Dataset(
            name="data/raw",
            digest=self._record.data_digest[:32],
            source_type="local",
            source=json.dumps({"uri": "data/raw"}),
            profile=json.dumps({"num_rows": self._record.n_rows, "target": manifest.target}),
        )
        context = [entities.InputTag("mlflow.data.context", "training")]
        self._client.log_inputs(run_id, datasets=[entities.DatasetInput(dataset, context)])
        for name in (EVALUATION_FILE, PROFILE_FILE, MANIFEST_FILE):
            if (self._folder / name).exists():
                self._client.log_artifact(run_id, str(self._folder / name))
        self._client.log_artifacts(run_id, str(self._folder / PLOTS_DIR), PLOTS_DIR)

    def _version(self, run_id: str, locations: Locations) -> int | None:
        """Return the version that an earlier delivery of this run registered, never one of somebody else."""
        try:
            versions = self._client.search_model_versions(f"name = '{NAME}' and run_id = '{run_id}'")
            ours = [version for version in versions if self._is_ours(version, run_id, locations)]
        except self._mlflow.exceptions.MlflowException:
            return None
        return int(ours[0].version) if ours else None

    def _is_ours(self, version: Any, run_id: str, locations: Locations) -> bool:  # noqa: ANN401  # mlflow's ModelVersion
        """Return whether the model of the version is one that a delivery of this record logged."""
        model_id = version.source.removeprefix("models:/")
        if not MODEL_ID.fullmatch(model_id) or version.tags != self._tags():
            return False
        model = self._client.get_logged_model(model_id)
        return bool(model.source_run_id == run_id and model.artifact_location == locations.of_model(model_id))

    def _register(self, run_id: str, locations: Locations) -> int:
        versions = {name: import_module(name).__version__ for name in ("mlflow", "numpy", "onnxruntime", "pandas")}
        examples = pd.DataFrame([golden.record for golden in self._manifest.golden[:2]])
        with self._mlflow.start_run(run_id=run_id):
            info = self._mlflow.pyfunc.log_model(
                name="model",
                python_model=str(MODEL_SCRIPT),
                artifacts={
                    "model": str(self._folder / MODEL_FILE),
                    "manifest": str(self._folder / MANIFEST_FILE),
                    "cells": str(self._folder / CELLS_FILE),
                },
                signature=self._signature(),
                input_example=examples,
                pip_requirements=[f"{name}=={version}" for name, version in versions.items()],
            )
        with _sent_once():
            registered = self._mlflow.register_model(info.model_uri, NAME, tags=self._tags())
        if not self._is_ours(registered, run_id, locations):
            raise ForeignLocationError("a model version", registered.source, f"one below {locations.experiment}")
        return int(registered.version)

    def _tags(self) -> dict[str, str]:
        return {"run_id": self._record.run_id, "digest": self._manifest.digest}

    def _signature(self) -> Any:  # noqa: ANN401  # mlflow's own type
        """Return names without types: MLflow would reject an integer where it expects a float."""
        types = self._mlflow.types
        inputs = [types.ColSpec(types.schema.AnyType(), f.name, required=False) for f in self._manifest.features]
        outputs = [types.ColSpec(types.schema.AnyType(), "prediction")]
        outputs += [types.ColSpec("double", f"probability_{label}") for label in self._manifest.classes]
        return self._mlflow.models.ModelSignature(inputs=types.Schema(inputs), outputs=types.Schema(outputs))

    def _time_ms(self) -> int:
        return int(datetime.fromisoformat(self._record.created_at).timestamp() * 1000)


@contextmanager
def _sent_once() -> Iterator[None]:
    """Let MLflow's client send each request once, whatever the user has set.

    It repeats one that was not answered in time, although the server may have done it: there would be two runs. The next
    delivery looks for the first one instead.
    """
    before = os.environ[MAX_RETRIES]
    os.environ[MAX_RETRIES] = "0"
    try:
        yield
    finally:
        os.environ[MAX_RETRIES] = before


def _expect(what: str, named: str, expected: str) -> None:
    if named != expected:
        raise ForeignLocationError(what, named, expected)


def main(argv: Sequence[str]) -> int:
    """Deliver a record, print one line of JSON (`Delivered` or the problem), and return the exit code.

    A token for MLflow is read from standard input.     0: delivered. 2: it can never be delivered. 3: MLflow did not accept it; try again later.
    """
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.tracking.delivery", description="Create or complete the MLflow run of a record."
    )
    parser.add_argument("record", type=Path, help="the folder that holds record.json")
    parser.add_argument("--tracking-uri", required=True, help="the address of MLflow, such as http://127.0.0.1:5000")
    parser.add_argument("--champion", action="store_true", help="give the model the alias `champion`")
    arguments = parser.parse_args(argv)
    # By standard input: arguments and the environment of a process can be read by others.
    token = "" if sys.stdin.isatty() else sys.stdin.read().strip()
    if token:
        os.environ["MLFLOW_TRACKING_TOKEN"] = token
    try:
        delivered = deliver(arguments.record, arguments.tracking_uri, champion=arguments.champion)
    except ProblemError as problem:
        sys.stdout.write(json.dumps(problem.as_dict()) + "\n")
        return 3 if problem.retryable else 2
    sys.stdout.write(delivered.model_dump_json() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
