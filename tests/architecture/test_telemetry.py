"""No library of ours reports to its makers: ONNX Runtime does so from its first import on unless told otherwise before."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process
ROOT = Path(__file__).parent.parent.parent
IMPORTS = re.compile(r"^\s*(?:import|from) onnxruntime\b", re.MULTILINE)
SAY = """
import importlib, os, sys
class Finder:
    def find_spec(name, path=None, target=None):
        if name == "onnxruntime":
            print("telemetry is", {"1": "off"}.get(os.environ.get("ORT_DISABLE_TELEMETRY"), "on"), flush=True)
sys.meta_path.insert(0, Finder)
importlib.import_module(sys.argv[1])
importlib.import_module("onnxruntime")
"""


def _modules() -> list[str]:
    files = [path for folder in ("app", "pipeline") for path in (ROOT / folder).rglob("*.py")]
    importing = [path for path in files if IMPORTS.search(path.read_text("utf-8"))]
    return sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in importing)


@pytest.mark.parametrize("module", [*_modules(), "app.prediction.__main__", "pipeline.core.runner"])
def test_onnx_runtime_reports_nothing_whichever_module_imports_it(module: str) -> None:
    command = [sys.executable, "-c", SAY, module]
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[0] == "telemetry is off"
