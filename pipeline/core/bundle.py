"""The bundle: what training hands to serving, immutable, on disk.

    models/versions/<run id>/model.onnx      raw columns -> probabilities or value
    models/versions/<run id>/manifest.json   everything else that a server or a form needs
    models/current.json                      which of them is live; replaced atomically, polled by readers

Light: pydantic and stdlib only; no numpy, no onnx. Nothing here unpickles anything.
"""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.core.atomic_files import fsync_dir, write_atomic
from pipeline.core.bundle_problems import BrokenBundleError, PointerError
from pipeline.core.cells import PLAIN, Cells, Kind, Reading
from pipeline.core.params import Task
from pipeline.core.temporary import held

MODEL_FILE: Final = "model.onnx"
MANIFEST_FILE: Final = "manifest.json"
POINTER_FILE: Final = "current.json"
VERSIONS_DIR: Final = "versions"
NO_MODEL: Final = b'{"bundle": null}'  # the whole content of a pointer that says: none is live
MAX_MODEL_BYTES: Final = 256 * 2**20  # of a graph: training exports no larger one, no reader loads one

# Inputs and outputs of every model.onnx. An input is absent when the table has no such column.
NUMERIC_INPUT: Final = "numeric"  # float32 [n, number of numeric and boolean features], missing = NaN
CATEGORICAL_INPUT: Final = "categorical"  # string [n, number of categorical features, dates and texts], missing = ""
PROBABILITIES_OUTPUT: Final = "probabilities"  # float32 [n, n_classes], columns in the order of `classes`
VALUE_OUTPUT: Final = "value"  # float32 [n, 1], regression only
# How far a prediction may be from the one it must equal: the graph from scikit-learn's when it is exported, a golden row
# when the API loads the model and again over HTTP after a deployment. Probabilities; relative for large values.
PREDICTION_TOLERANCE: Final = 1e-5
PREPARED_OUTPUT: Final = "prepared"  # of the preparation, and input of the estimator: float32 [n, prepared columns]

UNDIGESTED: Final = frozenset({"digest", "version", "run_id", "created_at"})  # fields that differ between equal runs

Scalar = bool | int | float | str | None
ClassType = Literal["integer", "boolean", "number", "string"]  # of a class label in JSON


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Histogram(_Record):
    """Counts of training rows between `edges`: len(edges) == len(counts) + 1. Outliers count in the end bins."""

    edges: list[float]
    counts: list[int]


class Feature(_Record):
    """One raw column that the model uses, in the order of the graph's inputs.

    `reading` is how its cells were read in training, and are read in every request. `min max median histogram` are None
    for categorical features, dates and texts; `categories` (most frequent first) and `category_counts` are empty for all but
    categorical ones; `words` are those that the model looks for in a text. `integer`: every training value was whole. `example`: the value of a real training row, None if it
    was missing there; of a text the `words` in it, of a date as `YYYY-MM-DDThh:mm:ss`. `missing_share` is in [0, 1].
    """

    name: str
    kind: Kind
    reading: Reading = PLAIN
    nullable: bool
    integer: bool = False
    unit: str = ""
    description: str = ""
    min: float | None = None
    max: float | None = None
    median: float | None = None
    low: float | None = None  # 1st percentile of training rows: a sensible end of a slider
    high: float | None = None  # 99th percentile
    missing_share: float = 0.0
    histogram: Histogram | None = None
    categories: list[str] = []
    category_counts: list[int] = []
    words: list[str] = []
    earliest: str = ""  # of dates, as `YYYY-MM-DDThh:mm:ss`
    middle: str = ""
    latest: str = ""
    example: Scalar = None

    @property
    def is_text(self) -> bool:
        """Return whether the feature is a column of the graph's `categorical` input, not of `numeric`."""
        return self.kind in {"categorical", "date", "text"}

    @property
    def is_counted(self) -> bool:
        """Return whether live rows are compared with those of training by their values: new dates and texts are always new."""
        return self.kind not in {"date", "text"}

    @property
    def cells(self) -> Cells:
        """Return what reads the cells of this column, as training did."""
        return Cells(self.kind, self.reading, self.words if self.kind == "text" else self.categories)

    def known_words(self, text: str) -> str:
        """Return those of a text's words that the model looks for, in their order."""
        known = frozenset(self.words)
        return " ".join(word for word in text.split() if word in known)

    @property
    def typical(self) -> Scalar:
        """Return a value that is typical of the column and says nothing of a single row; None where there is none."""
        if self.kind == "date":
            return self.middle or None
        if self.kind == "categorical":
            return self.categories[0] if self.categories else None
        if self.median is None:
            return None
        if self.kind == "boolean":
            return self.median >= 0.5
        return round(self.median) if self.integer else self.median


class Golden(_Record):
    """One row and the answer expected for it. `probabilities` are in the order of `classes`; `value` is for regression."""

    record: dict[str, Scalar]
    probabilities: list[float] | None = None
    value: float | None = None


class Manifest(_Record):
    """Everything about a model except its graph.

    `digest` is the identity of the model: sha256 over the graph and the fields that shape its answers, the same for
    two runs on equal data, seed, code and parameters. `version`, `run_id` and `created_at` are not part of it.
    `classes` are the class labels as in the table, in the order of the graph's output (for binary the second is the
    positive one); empty for regression. `class_type` is the JSON type of a label in answers.
    `threshold` is None unless binary. `score_histogram` counts test-row scores (probability of the positive class;
    largest probability for multiclass; value for regression).
    """

    format: Literal[1] = 1
    version: int
    run_id: str
    created_at: str  # ISO 8601, UTC
    digest: str
    model_sha256: str
    model_bytes: int
    task: Task
    target: str
    classes: list[str] = []
    class_type: ClassType = "string"
    threshold: float | None = None
    estimator: str
    hyperparameters: dict[str, Scalar]
    primary_metric: str
    metrics: dict[str, float]
    importances: dict[str, float]  # permutation importance per raw feature, in units of the primary metric
    features: list[Feature]
    derived_features: list[str] = []
    left_out: list[str] = []  # columns of the table that the model does not use; a record may hold them
    score_histogram: Histogram
    golden: list[Golden]
    seed: int
    n_train: int
    n_test: int
    test_share: float | None = None  # of the split; None in manifests of older versions
    delimiter: str = ","  # between the cells of the table; CSV in requests is taken with it, too
    data_digest: str
    code_digest: str
    params_digest: str
    versions: dict[str, str]

    @property
    def numeric(self) -> list[Feature]:
        """Return the features of the `numeric` input, in its column order."""
        return [f for f in self.features if not f.is_text]

    @property
    def categorical(self) -> list[Feature]:
        """Return the features of the `categorical` input, in its column order."""
        return [f for f in self.features if f.is_text]


class Pointer(_Record):
    """The content of `current.json`: `bundle` is a folder name in `versions/`, `sha256` that of its manifest.json."""

    version: int
    bundle: str
    sha256: str


def pointer_path(models_dir: Path) -> Path:
    """Return the path of the pointer."""
    return models_dir / POINTER_FILE


def read_pointer(models_dir: Path) -> Pointer | None:
    """Return the pointer to the live version; None where it says that there is none, or is missing.

    It is missing before the first deployment, and when it was lost: `says_no_model` tells that from a pointer that says
    so. Raises BundleError MODEL-01 if it is invalid.
    """
    try:
        content = pointer_path(models_dir).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PointerError.unreadable(error) from error
    if content == NO_MODEL:
        return None
    try:
        pointer = Pointer.model_validate_json(content)
    except ValidationError as error:
        raise PointerError.invalid(error) from error
    if Path(pointer.bundle).name != pointer.bundle or pointer.bundle in {"", ".", ".."}:
        raise PointerError.outside(pointer.bundle)
    return pointer


def says_no_model(models_dir: Path) -> bool:
    """Return whether the model was taken out of service on purpose: a pointer is there and says so."""
    try:
        return pointer_path(models_dir).read_bytes() == NO_MODEL
    except OSError:
        return False


def write_pointer(models_dir: Path, pointer: Pointer | None) -> None:
    """Make `pointer` the live version, atomically and durably; None takes the model out of service.

    A pointer that is merely gone takes nothing out of service, so None is written as well.
    """
    content = NO_MODEL if pointer is None else pointer.model_dump_json(indent=1).encode()
    write_atomic(pointer_path(models_dir), content)


def bundle_dir(models_dir: Path, pointer: Pointer) -> Path:
    """Return the folder that a pointer names."""
    return models_dir / VERSIONS_DIR / pointer.bundle


def read_manifest(folder: Path, sha256: str | None = None) -> Manifest:
    """Return the manifest of a bundle; with `sha256`, only if the file has that digest. Raises BundleError MODEL-02."""
    try:
        raw = (folder / MANIFEST_FILE).read_bytes()
    except OSError as error:
        raise BrokenBundleError.unreadable(folder, error) from error
    if sha256 is not None and hashlib.sha256(raw).hexdigest() != sha256:
        raise BrokenBundleError.changed(folder)
    try:
        return Manifest.model_validate_json(raw)
    except ValidationError as error:
        raise BrokenBundleError.invalid(folder, error) from error


def read_model(folder: Path, manifest: Manifest, max_bytes: int = MAX_MODEL_BYTES) -> bytes:
    """Return the graph's bytes, if they have the digest in the manifest. Raises BundleError MODEL-02."""
    path = folder / MODEL_FILE
    try:
        if path.stat().st_size > max_bytes:
            raise BrokenBundleError.model_too_large(folder, max_bytes)
        raw = path.read_bytes()
    except OSError as error:
        raise BrokenBundleError.model_unreadable(folder, error) from error
    if hashlib.sha256(raw).hexdigest() != manifest.model_sha256:
        raise BrokenBundleError.model_changed(folder)
    return raw


def check_bundle(folder: Path, sha256: str | None = None) -> Manifest:
    """Return the manifest of a bundle that is intact, as far as digests tell; raise BundleError MODEL-02 for any other.

    With `sha256` the manifest must have that digest. Its own is computed from the fields as they are written, so that a
    manifest of an older version keeps the one that it had.
    """
    manifest = read_manifest(folder, sha256)
    read_model(folder, manifest)
    fields = json.loads((folder / MANIFEST_FILE).read_bytes())
    if _digest({name: fields[name] for name in fields.keys() - UNDIGESTED}) != manifest.digest:
        raise BrokenBundleError.inconsistent(folder)
    return manifest


def write_bundle(folder: Path, manifest: Manifest, model: bytes) -> None:
    """Write a finished bundle into the new or empty folder, durably; on failure nothing is left of it."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        write_atomic(folder / MODEL_FILE, model)
        write_atomic(folder / MANIFEST_FILE, manifest.model_dump_json(indent=1).encode())
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def publish(models_dir: Path, source: Path, name: str) -> Pointer:
    """Copy the bundle `source` to `versions/<name>` and return the pointer that would make it live.

    Readers never see a half-written folder: it is written aside, made durable and renamed. Publishing the same
    bundle under the same name again is a no-op. Raises BundleError MODEL-02 for a bundle that is not intact.
    """
    manifest = read_manifest(source)
    model = read_model(source, manifest)
    versions = models_dir / VERSIONS_DIR
    target = versions / name
    if not target.exists():
        versions.mkdir(parents=True, exist_ok=True)
        aside = versions / f".new-{name}-{os.getpid()}"
        shutil.rmtree(aside, ignore_errors=True)  # of an attempt that could not remove it
        aside.mkdir()
        with held(aside):
            write_bundle(aside, manifest, model)
            aside.rename(target)
        fsync_dir(versions)
    return pointer_to(models_dir, name)


def pointer_to(models_dir: Path, name: str) -> Pointer:
    """Return a pointer to the published bundle `name`. Raises BundleError MODEL-02 if it is not intact."""
    folder = models_dir / VERSIONS_DIR / name
    manifest = read_manifest(folder)
    read_model(folder, manifest)
    raw = (folder / MANIFEST_FILE).read_bytes()
    return Pointer(version=manifest.version, bundle=name, sha256=hashlib.sha256(raw).hexdigest())


def digest_of(manifest: Manifest) -> str:
    """Return the identity of a model: sha256 over the manifest fields, except those that differ between equal runs."""
    return _digest(manifest.model_dump(mode="json", exclude=set(UNDIGESTED)))


def _digest(fields: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
