"""The preload only imports: a child that is forked after it can fit, also with several threads."""

import multiprocessing
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.process


def _fit(pipe: "multiprocessing.connection.Connection") -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    X = np.random.default_rng(0).normal(size=(2000, 4))
    with threadpool_limits(2):
        model = HistGradientBoostingClassifier(max_iter=5).fit(X, X[:, 0] > 0)
    pipe.send(float(model.score(X, X[:, 0] > 0)))


def test_child_can_fit_when_forked_after_the_preload() -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pipeline.stages.preload"])
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_fit, args=(theirs,))
    child.start()
    try:
        assert ours.poll(60), "the child hangs"
        assert ours.recv() > 0.9
    finally:
        child.kill()
        child.join()


def test_preload_opens_no_session_when_imported() -> None:
    code = (
        "import sys, pipeline.stages.preload; assert 'onnxruntime' not in sys.modules and 'mlflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)
