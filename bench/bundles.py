"""Small real bundles: fitted by scikit-learn, exported as a run exports, published as a run publishes.

    built = make_bundle(models_dir, task="binary", version=7)

writes `versions/<name>` and, unless `live=False`, the pointer to it.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge

from pipeline.core.bundle import publish, write_bundle
from pipeline.core.manifest import Feature, Histogram, Manifest, digest_of
from pipeline.core.params import Task
from pipeline.core.pointer import Pointer, write_pointer
from pipeline.export.golden_rows import golden_rows
from pipeline.export.graph import estimator_graph, join
from pipeline.export.manifest import finalize
from pipeline.onnx.session import Graph, RawRows
from pipeline.training.fitted_model import FittedModel

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
ClassType = Literal["integer", "boolean", "number", "string"]

NUMERIC_NAMES: Final = ("age", "Income (EUR)", 'größe "cm"')
CATEGORICAL_NAME: Final = "home city"
BOOLEAN_NAME: Final = "is_member"
CITIES: Final = ("Paris", "Berlin", "São Paulo", 'it\'s, "quoted"')
CLASSES: Final[dict[Task, tuple[str, ...]]] = {
    "binary": ("0", "1"),
    "multiclass": ("low", "mid", "high"),
    "regression": (),
}
N_ROWS: Final = 600


@dataclass(frozen=True)
class Built:
    """A published bundle, the raw rows that it was fitted on (missing NaN and "") and what scikit-learn says about them.

    `expected` is float64 [n, n_classes] or [n, 1]; `fitted` answers the prepared rows `prepared` [n, p].
    """

    pointer: Pointer
    manifest: Manifest
    folder: Path
    model: bytes
    rows: RawRows
    expected: Doubles
    prepared: Floats
    fitted: FittedModel


def make_bundle(
    models_dir: Path,
    *,
    task: Task = "binary",
    version: int = 1,
    n_numeric: int = 3,
    categorical: bool = True,
    boolean: bool = True,
    seed: int = 0,
    linear: bool = False,
    n_trees: int = 20,
    names: tuple[str, ...] | None = None,
    classes: tuple[str, ...] | None = None,
    class_type: ClassType | None = None,
    name: str | None = None,
    live: bool = True,
) -> Built:
    """Fit, export and publish a bundle into `models_dir`; another `seed` is another model on other data.

    Features: `n_numeric` numbers (called `names`), and, if asked for, one boolean and one categorical column. Labels are `classes`,
    written in JSON as `class_type` says (integers for binary, strings for multiclass unless given).
    """
    core = _core(task, n_numeric, categorical, boolean, seed, linear, n_trees, names)
    labels = CLASSES[task] if classes is None else classes
    manifest = core.manifest.model_copy(
        update={
            "version": version,
            "run_id": name or f"run-{version}",
            "classes": list(labels),
            "class_type": class_type or ("integer" if labels == CLASSES["binary"] else "string"),
        }
    )
    manifest = manifest.model_copy(update={"digest": digest_of(manifest)})
    pointer = publish_bundle(models_dir, manifest, core.model, live=live)
    return Built(
        pointer,
        manifest,
        models_dir / "versions" / pointer.bundle,
        core.model,
        core.rows,
        core.expected,
        core.prepared,
        core.fitted,
    )


def publish_bundle(models_dir: Path, manifest: Manifest, model: bytes, *, live: bool = True) -> Pointer:
    """Publish manifest and graph as `versions/<run id>`, whatever they promise; `live` also moves the pointer."""
    models_dir.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as aside:
        write_bundle(Path(aside) / "bundle", manifest, model)
        pointer = publish(models_dir, Path(aside) / "bundle", manifest.run_id)
    if live:
        write_pointer(models_dir, pointer)
    return pointer


def records(built: Built, n: int, start: int = 0) -> list[dict[str, Any]]:
    """Rows of the bundle as a client would send them, None where a value is missing."""
    rows = []
    for i in range(start, start + n):
        record: dict[str, Any] = {}
        for j, feature in enumerate(built.manifest.numeric):
            value = float(built.rows.numeric[i, j])
            as_client = bool(value) if feature.kind == "boolean" else value
            record[feature.name] = None if np.isnan(value) else as_client
        for j, feature in enumerate(built.manifest.categorical):
            record[feature.name] = str(built.rows.categorical[i, j]) or None
        rows.append(record)
    return rows


@dataclass(frozen=True)
class _Core:
    manifest: Manifest
    model: bytes
    rows: RawRows
    expected: Doubles
    prepared: Floats
    fitted: FittedModel


@cache
def _core(  # noqa: PLR0917 - the key of the cache
    task: Task,
    n_numeric: int,
    categorical: bool,
    boolean: bool,
    seed: int,
    linear: bool,
    n_trees: int,
    names: tuple[str, ...] | None,
) -> _Core:
    rows = _rows(n_numeric, categorical, boolean, seed)
    prepare = _prepare_graph(rows)
    prepared = Graph(prepare).run(rows)
    y = _targets(task, rows, seed)
    fitted = _fit(task, prepared, y, linear=linear, n_trees=n_trees)
    model = join(prepare, estimator_graph(fitted, prepared.shape[1], prepare))
    expected = fitted.predict(prepared)
    features = _features(rows, names or _names(n_numeric), boolean)
    scores = expected[:, 0] if task == "regression" else expected[:, 1] if task == "binary" else expected.max(axis=1)
    metric = "r2" if task == "regression" else "roc_auc" if task == "binary" else "accuracy"
    manifest = Manifest(
        version=1,
        run_id="run-1",
        created_at="",
        digest="",
        model_sha256=hashlib.sha256(model).hexdigest(),
        model_bytes=len(model),
        task=task,
        target="outcome",
        left_out=["customer id", "outcome"],
        classes=list(CLASSES[task]),
        threshold=0.4 if task == "binary" else None,
        estimator="linear" if linear else "hist_gradient_boosting",
        hyperparameters={"max_iter": n_trees},
        primary_metric=metric,
        metrics={metric: 0.8},
        importances={feature.name: 1 / (i + 1) for i, feature in enumerate(features)},
        features=features,
        score_histogram=_histogram(scores),
        golden=golden_rows(Graph(model), features, rows, task),
        seed=seed,
        n_train=len(y),
        n_test=len(y),
        data_digest="0" * 64,
        code_digest="0" * 64,
        params_digest="0" * 64,
        versions={"scikit-learn": "test"},
    )
    return _Core(finalize(manifest), model, rows, expected, prepared, fitted)


def _rows(n_numeric: int, categorical: bool, boolean: bool, seed: int) -> RawRows:
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(N_ROWS, n_numeric)) * 20 + 45
    numbers[rng.random(numbers.shape) < 0.05] = np.nan
    if boolean:
        numbers = np.column_stack([numbers, (rng.random(N_ROWS) < 0.5).astype(float)])
    words = np.array([*CITIES, ""], dtype=object)[rng.integers(0, len(CITIES) + 1, (N_ROWS, 1))]
    return RawRows(numbers.astype(np.float32), words if categorical else words[:, :0])


def _targets(task: Task, rows: RawRows, seed: int) -> npt.NDArray[Any]:
    rng = np.random.default_rng(seed + 1000)
    filled = np.nan_to_num(rows.numeric.astype(np.float64), nan=70.0)
    base = (filled[:, 0] - filled[:, -1]) / 20 + rng.normal(size=len(rows)) / 2
    if rows.categorical.shape[1]:
        base += rows.categorical[:, 0] == "Paris"
    if task == "regression":
        return np.asarray(base * 12 + 150)
    cuts = [np.median(base)] if task == "binary" else np.quantile(base, [0.3, 0.7]).tolist()
    return np.asarray(np.digitize(base, cuts), dtype=np.int64)


def _fit(task: Task, X: Floats, y: npt.NDArray[Any], *, linear: bool, n_trees: int) -> FittedModel:
    if task == "regression":
        offset, scale = float(y.mean()), float(y.std())
        regressor = Ridge() if linear else HistGradientBoostingRegressor(max_iter=n_trees, random_state=0)
        regressor.fit(X, (y - offset) / scale)
        kind: Literal["linear", "hist_gradient_boosting"] = "linear" if linear else "hist_gradient_boosting"
        return FittedModel(regressor, kind, task, 0, offset, scale)
    classifier = (
        LogisticRegression(max_iter=2000)
        if linear
        else HistGradientBoostingClassifier(max_iter=n_trees, random_state=0)
    )
    classifier.fit(X, y)
    return FittedModel(classifier, "linear" if linear else "hist_gradient_boosting", task, len(CLASSES[task]))


def _prepare_graph(rows: RawRows) -> bytes:
    """numeric [n, k], categorical [n, 0 or 1] -> prepared: medians for what is missing, a code for each city."""
    k = rows.numeric.shape[1]
    nodes = [
        helper.make_node("IsNaN", ["numeric"], ["missing"]),
        helper.make_node("Where", ["missing", "fill", "numeric"], ["filled"]),
    ]
    inputs = [helper.make_tensor_value_info("numeric", TensorProto.FLOAT, [None, k])]
    if rows.categorical.shape[1]:
        inputs.append(helper.make_tensor_value_info("categorical", TensorProto.STRING, [None, 1]))
        encoder = helper.make_node("LabelEncoder", ["categorical"], ["code"], domain="ai.onnx.ml")
        encoder.attribute.append(helper.make_attribute("keys_strings", list(CITIES)))
        encoder.attribute.append(helper.make_attribute("values_floats", [float(i) for i in range(len(CITIES))]))
        encoder.attribute.append(helper.make_attribute("default_float", -1.0))
        nodes.append(encoder)
        nodes.append(helper.make_node("Concat", ["filled", "code"], ["prepared"], axis=1))
        k += 1
    else:
        nodes.append(helper.make_node("Identity", ["filled"], ["prepared"]))
    graph = helper.make_graph(
        nodes,
        "prepare",
        inputs,
        [helper.make_tensor_value_info("prepared", TensorProto.FLOAT, [None, k])],
        [numpy_helper.from_array(np.nanmedian(rows.numeric, axis=0, keepdims=True), "fill")],
    )
    imports = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 3)]
    return bytes(helper.make_model(graph, opset_imports=imports, ir_version=10).SerializeToString())


def _names(n_numeric: int) -> tuple[str, ...]:
    return (*NUMERIC_NAMES, *(f"x{i}" for i in range(n_numeric)))[:n_numeric]


def _features(rows: RawRows, names: tuple[str, ...], boolean: bool) -> list[Feature]:
    n_numeric = len(names)
    features = []
    for j in range(n_numeric + boolean):
        values = rows.numeric[:, j]
        known = values[~np.isnan(values)].astype(np.float64)
        is_flag = j == n_numeric
        features.append(
            Feature(
                name=BOOLEAN_NAME if is_flag else names[j],
                kind="boolean" if is_flag else "numeric",
                nullable=bool(len(known) < len(values)),
                unit="years" if j == 0 else "",
                min=float(known.min()),
                max=float(known.max()),
                median=float(np.median(known)),
                low=float(np.quantile(known, 0.01)),
                high=float(np.quantile(known, 0.99)),
                missing_share=1 - len(known) / len(values),
                histogram=_histogram(known),
                example=bool(known[0]) if is_flag else round(float(known[0]), 1),
            )
        )
    if rows.categorical.shape[1]:
        words = rows.categorical[:, 0].tolist()
        counted = sorted(((words.count(city), city) for city in CITIES), reverse=True)
        features.append(
            Feature(
                name=CATEGORICAL_NAME,
                kind="categorical",
                nullable=True,
                missing_share=words.count("") / len(words),
                categories=[city for _, city in counted],
                category_counts=[count for count, _ in counted],
                example=counted[0][1],
            )
        )
    return features


def _histogram(values: npt.NDArray[Any]) -> Histogram:
    counts, edges = np.histogram(values, bins=10)
    return Histogram(edges=edges.tolist(), counts=counts.tolist())


def external_data(model: bytes) -> bytes:
    """Return the graph with one tensor moved to an external file."""
    proto = onnx.load_from_string(model)
    tensor = proto.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    tensor.external_data.add(key="location", value="weights.bin")
    return bytes(proto.SerializeToString())
