"""Plots are well-formed, hold no script or style, and show what the evaluation says."""

import subprocess
import sys
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from pipeline.core.figures.plots import plots
from pipeline.core.params import Task
from pipeline.evaluation.report import EvaluationInput, evaluate

pytestmark = pytest.mark.process
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert('ü')</script> & \"x\""


def _evaluation(task: Task, n: int = 500, n_classes: int = 3) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    k = {"binary": 2, "multiclass": n_classes, "regression": 1}[task]
    if task == "regression":
        y: Any = rng.normal(size=n) * 1e6
        output = (y + rng.normal(size=n) * 1e5)[:, None]
    else:
        y = rng.integers(0, k, n)
        output = 0.5 * rng.dirichlet([1] * k, n) + 0.5 * np.eye(k)[y]
    classes = [] if task == "regression" else [HOSTILE, *(f"class {i}" for i in range(1, k))]
    baseline = np.full_like(output, output.mean())
    model = EvaluationInput(
        task=task,
        target=HOSTILE,
        classes=classes,
        estimator="linear",
        threshold=0.4 if task == "binary" else None,
        y=y,
        output=output,
        baseline=baseline,
    )
    return evaluate(model, {HOSTILE: 0.2, "age": 0.1, "useless": -0.01})


@pytest.mark.parametrize(
    ("task", "names"),
    [
        ("binary", ["roc", "confusion", "precision_recall", "importances", "thresholds", "scores", "calibration"]),
        ("multiclass", ["confusion", "importances", "scores"]),
        ("regression", ["fit", "importances", "residuals"]),
    ],
)
def test_each_plot_is_clean_svg_when_names_are_hostile(task: Task, names: list[str]) -> None:
    drawn = plots(_evaluation(task))
    assert list(drawn) == names
    for name, svg in drawn.items():
        root = ET.fromstring(svg)
        assert root.get("viewBox") == "0 0 420 280"
        assert root.find(f"{SVG}title") is not None
        description = root.find(f"{SVG}desc")
        assert description is not None
        assert description.text, name
        tags = {element.tag.removeprefix(SVG) for element in root.iter()}
        assert tags <= {"svg", "title", "desc", "text", "line", "path", "rect", "circle"}
        keys = {key for element in root.iter() for key in element.attrib}
        assert not {key for key in keys if key == "style" or key.startswith("on") or "href" in key}
        assert "nan" not in svg.replace(HOSTILE, "")
        for element in root.iter(f"{SVG}rect"):
            assert float(element.get("width", 0)) >= 0
            assert -1 <= float(element.get("x", 0)) <= 421


def test_confusion_has_each_count_when_there_are_few_classes() -> None:
    evaluation = _evaluation("multiclass")
    texts = {element.text for element in ET.fromstring(plots(evaluation)["confusion"]).iter(f"{SVG}text")}
    assert {f"{count:,}" for row in evaluation["confusion"]["counts"] for count in row} <= texts


def test_confusion_keeps_the_frequent_classes_when_there_are_too_many() -> None:
    evaluation = _evaluation("multiclass", n_classes=40)
    assert len(evaluation["confusion"]["labels"]) == 30
    ET.fromstring(plots(evaluation)["confusion"])


def test_same_evaluation_gives_the_same_text() -> None:
    assert plots(_evaluation("binary")) == plots(_evaluation("binary"))


def test_undefined_curves_are_left_out_when_test_rows_have_one_class() -> None:
    p = np.random.default_rng(0).dirichlet([1, 1], 50)
    model = EvaluationInput(
        task="binary",
        target="t",
        classes=["0", "1"],
        estimator="linear",
        threshold=0.5,
        y=np.zeros(50, dtype=np.int64),
        output=p,
        baseline=p,
    )
    assert list(plots(evaluate(model, {"a": 0.0}))) == ["confusion", "importances", "scores", "calibration"]


def test_importances_are_written_to_the_digit_that_counts_in_the_largest() -> None:
    evaluation = {"primary_metric": "roc_auc", "importances": {"a": 0.1534, "b": 0.0041, "c": 0.0, "d": -8e-05}}
    texts = [text.text for text in ET.fromstring(plots(evaluation)["importances"]).iter(f"{SVG}text")]
    assert [texts[texts.index(name) + 1] for name in "abcd"] == ["0.153", "0.004", "0", "0"]


def test_plots_are_light_when_the_panel_imports_them() -> None:
    code = (
        "import sys, pipeline.core.figures.plots; assert not {'numpy', 'pandas', 'sklearn', 'onnx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)
