"""Whatever makes a temporary file is killed while it has one; the next start removes it, and nothing else."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import pytest

from app.panel.clock import SystemClock
from app.panel.db.migrate import open_database
from app.panel.leftovers import clean_up
from app.panel.registry import retention
from app.panel.settings import Settings
from tests.app.panel.registry.conftest import manifest_of

pytestmark = pytest.mark.process
HEAD: Final = """
import os, signal, sys, tempfile
from pathlib import Path
folder = Path(sys.argv[1])
tempfile.tempdir = str(folder / "tmp")
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
"""
KILLED: Final = {
    "state": """
from pipeline.core.atomic_files import write_atomic
os.fsync = die
write_atomic(folder / "state" / "services" / "owner", b"x")
""",
    "pointer": """
from pipeline.core.atomic_files import write_atomic
os.fsync = die
write_atomic(folder / "models" / "current.json", b"{}")
""",
    "sample table": """
from pipeline.ingest import sample_table
os.fsync = die
sample_table.ensure_sample(folder / "data" / "raw")
""",
    "bundle": """
from pipeline.core.bundle import publish
os.fsync = die
publish(folder / "models", folder / "bundle", "run-1")
""",
    "upload": """
from pipeline.core.temporary import held
from app.panel.datasets.uploads import Uploads
import asyncio
from starlette.requests import Request
async def receive(): die()
scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"",
         "headers": [(b"content-type", b"multipart/form-data; boundary=b")]}
async def main():
    async with Uploads(folder / "data").receive(Request(scope, receive)): pass
asyncio.run(main())
""",
    "look at the tables": """
from app.panel.clock import SystemClock
from app.panel.datasets import preview
from pipeline.core.params import Params
from types import SimpleNamespace
preview.start = die
previews = preview.Previews(folder / "data", SimpleNamespace(tables=list), preview.PreviewLimits(2**29), next_params=Params)
previews._ask([preview.RawFile(path=folder / "a.csv", name="a.csv")], Params())
""",
    "unpacked table": """
from pipeline.ingest import conversion
conversion._copy = die
import gzip
(folder / "a.csv.gz").write_bytes(gzip.compress(b"x,y"))
with conversion.plain_files([folder / "a.csv.gz"], folder / "data" / "processed"): pass
""",
    "prepared set": """
from pipeline.features import preprocess
preprocess._write = die
preprocess.build(None, folder / "data" / "processed", "key", None)
""",
    "delivery": """
from app.panel.tracking import delivery
delivery.start = die
delivery.Delivery()(folder, "http://x", "token")
""",
    "backup": """
from app.panel.db import copies
from app.panel.clock import SystemClock
copies.file_damage = die
copies.back_up(folder / "state" / "panel.db", SystemClock().now())
""",
}
OTHERS: Final = (
    "data/raw/.upload.csv",
    "data/raw/.a.csv.swp",
    "data/raw/.a.csv.123.tmp",
    "data/processed/key/train.parquet",
    "models/versions/run-0/manifest.json",
    "tmp/ml-pipeline-of-somebody",
    "state/runs/1/result.json",
)


def _tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("code", KILLED.values(), ids=KILLED)
def test_nothing_is_left_and_nothing_else_is_touched_when_it_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    for name in OTHERS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in ("state/services", "state/backups", "bundle"):
        (tmp_path / name).mkdir()
    graph = b"graph"
    (tmp_path / "bundle" / "model.onnx").write_bytes(graph)
    (tmp_path / "bundle" / "manifest.json").write_text(manifest_of(1, "run-1", graph).model_dump_json())
    (tmp_path / "a.csv.gz").touch()
    database = tmp_path / "state" / "panel.db"
    open_database(database, SystemClock().now()).close()
    before = _tree(tmp_path)

    ended = subprocess.run([sys.executable, "-c", HEAD + code, tmp_path], check=False, capture_output=True, timeout=60)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert _tree(tmp_path) > before, "nothing was in progress"

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    settings = Settings(data_dir=tmp_path / "data", state_dir=tmp_path / "state", models_dir=tmp_path / "models")
    open_database(database, SystemClock().now()).close()
    clean_up(settings)
    retention.sweep(settings.models_dir)
    assert _tree(tmp_path) == before
    assert os.access(tmp_path / "data" / "raw", os.W_OK)
