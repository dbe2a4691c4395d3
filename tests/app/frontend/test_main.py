"""The process of the app stays small."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process
ROOT = Path(__file__).parent.parent.parent.parent


def test_it_stays_light_when_it_is_imported() -> None:
    code = "import sys, app.frontend.main; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert set(loaded.split()) & {"numpy", "onnxruntime", "pandas", "sklearn", "sqlmodel", "mlflow"} == set()
