"""A process that limits itself ends in good order when it wants more, and what it starts is limited as well."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.process
LIMITS = """
import subprocess, sys
from app.processes.limits import limit
limit(2**29)
show = "import resource as r; print(r.getrlimit(r.RLIMIT_DATA)[0], r.getrlimit(r.RLIMIT_NOFILE)[1], r.getrlimit(r.RLIMIT_CORE)[1])"
print(subprocess.run([sys.executable, "-c", show], capture_output=True, text=True).stdout)
limit(2**31)  # a second one can only lower it
print(subprocess.run([sys.executable, "-c", show], capture_output=True, text=True).stdout)
"""
STAGE = """
import json, sys
from pathlib import Path
from app.processes.limits import limit
from pipeline.core.params import Params
from tests.pipeline.cycle import run_stages
import pipeline.stages.preload
limit(2**30)
cycle = run_stages(Path(sys.argv[1]), None, Params(), last="process_data")
print(json.dumps({"code": cycle.code, "event": cycle.events[-1]}))
"""


def _run(script: str, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True, timeout=120
    ).stdout


def test_children_are_limited_too_and_no_limit_is_raised_when_it_is_set_again() -> None:
    first, second = _run(LIMITS).split("\n\n")[:2]
    assert first == f"{2**29} 1024 0"
    data = int(second.split()[0])
    assert 2**29 <= data <= 2**29 + 64 * 2**20


@pytest.mark.slow
def test_stage_says_that_memory_ran_out_when_a_small_file_unfolds_while_it_is_read(tmp_path: Path) -> None:
    """One text of 64 KB in 100,000 rows: the footer cannot tell, and Arrow, pandas or Python gets no memory."""
    (tmp_path / "data" / "raw").mkdir(parents=True)
    n_rows = 100_000
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * n_rows, pa.int32()), ["x" * 65_536])
    table = pa.table({"text": texts, "size": list(range(n_rows)), "target": [0, 1] * (n_rows // 2)})
    path = tmp_path / "data" / "raw" / "bomb.parquet"
    pq.write_table(table, path, store_schema=False)
    assert path.stat().st_size < 2**20
    outcome = json.loads(_run(STAGE, str(tmp_path)).splitlines()[-1])
    assert (outcome["code"], outcome["event"]["id"]) == (3, "TRAIN-90")
    assert "more than the 1.0 GB that a stage may use" in outcome["event"]["why"]
