"""The whole real run on the 150,000-row table: click to the new model answering."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.rows import Row, row
from bench.running import panel

TITLE = "The whole cycle, embedded, 150,000 rows, search off"
RUNS = 5

# The estimator of the stack that this project replaces, on the same processed train and test sets.
REFERENCE = """
import json, sys, time
from pathlib import Path
import numpy as np
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from pipeline.features.processed_dataset import load_test, load_train
folder = Path(sys.argv[1])
X, y, _ = load_train(folder)
X_test, y_test = load_test(folder)
rng = np.random.default_rng(42)
positive = np.flatnonzero(y == 1)
rows = np.concatenate([positive, rng.choice(np.flatnonzero(y == 0), len(positive), replace=False)])
model = GradientBoostingClassifier(n_estimators=1000, learning_rate=0.01, max_depth=4, n_iter_no_change=10, random_state=42)
start = time.perf_counter()
model.fit(X[rows], y[rows])
print(json.dumps({"fit_s": time.perf_counter() - start, "auc": roc_auc_score(y_test, model.predict_proba(X_test)[:, 1])}))
"""


def measure() -> list[Row]:
    """Total, what of it is not compute, and the model against the reference's on the same split."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with panel(folder, CYCLE_INTERVAL_S="86400") as running:
            first = running.run(params={})
            # only the newest processed sets are kept, so the first one is put aside
            result = folder / "state" / "runs" / first["id"] / "process_data.json"
            processed = folder / "processed"
            shutil.copytree(json.loads(result.read_text("utf-8"))["processed_dir"], processed)
            # another seed is another model, so each of these runs has something to deploy
            runs = [running.run(params={"seed": 100 + i}) for i in range(RUNS)]
        out = subprocess.run(
            [sys.executable, "-c", REFERENCE, str(processed)], capture_output=True, text=True, check=True
        )
        reference = json.loads(out.stdout)
    failed = [run for run in [first, *runs] if run["state"] != "succeeded"]
    if failed:
        raise RuntimeError(f"{len(failed)} runs did not succeed")
    compute = [sum(stage["compute_s"] for stage in run["stages"] if stage["name"] != "deploy") for run in runs]
    totals = [run["duration_s"] for run in runs]
    auc = float(first["metrics"]["roc_auc"])
    n_deployed = sum(run["model_version"] is not None for run in runs)
    stages = {
        stage["name"]: [next(s["duration_s"] for s in run["stages"] if s["name"] == stage["name"]) for run in runs]
        for stage in runs[0]["stages"]
    }
    return [
        row("first run, services still starting", [first["duration_s"]], "s"),
        row("run, start to finished", totals, "s", below=8, note=f"{n_deployed} of {RUNS} models went live"),
        row("of it not compute of the stages", [t - c for t, c in zip(totals, compute, strict=True)], "s", below=1.5),
        *(row(f"stage {name}", values, "s") for name, values in stages.items()),
        Row(
            what="test ROC AUC",
            value=f"{auc:.4f}",
            goal=f">= {reference['auc']:.4f}",
            met=auc >= reference["auc"],
            note=f"the goal is the reference's GradientBoosting on the same split; its fit alone took {reference['fit_s']:.1f} s",
        ),
    ]
