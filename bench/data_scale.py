"""Time and peak memory of the data stages by number of rows."""

import io
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pipeline.stages.preload  # noqa: F401  # a stage is forked from a process that has imported these
from bench.rows import Row
from pipeline.core.events import Events
from pipeline.core.params import Params
from pipeline.core.runner import execute
from pipeline.core.stage import StageContext
from pipeline.ingest.sample_table import N_ROWS, generate, to_csv

TITLE = "Data: set_seed and process_data on 150 thousand to 5 million rows x 11 columns"
ROWS = (150_000, 1_000_000, 5_000_000)
MAX_BYTES = 3 * 2**30


def measure() -> list[Row]:
    """Measure one process per size, each on its own table; the peak includes Python and the libraries."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for n_rows in ROWS:
            data = Path(folder) / str(n_rows)
            n_bytes = _write(data / "raw", n_rows)
            argv = [sys.executable, "-m", "bench.data_scale", str(data)]
            result = json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
            note = f"{n_bytes / 1e6:.0f} MB of CSV; {result['set_seed_s']:.2f} s of it set_seed"
            rows.append(Row(what=f"{n_rows:,} rows: time", value=f"{result['time_s']:.2f} s", note=note))
            peak = result["peak_bytes"]
            goal = "< 3 GiB" if n_rows == ROWS[-1] else ""
            before = f"{result['before_bytes'] / 2**20:.0f} MiB of it before the first row"
            rows.append(
                Row(
                    what=f"{n_rows:,} rows: peak memory",
                    value=f"{peak / 2**20:.0f} MiB",
                    goal=goal,
                    met=peak < MAX_BYTES if goal else None,
                    note=before,
                )
            )
    return rows


def _write(raw: Path, n_rows: int) -> int:
    """Write `n_rows` synthetic rows, each piece from another seed, and return the size of the file in bytes."""
    raw.mkdir(parents=True)
    path = raw / "credit.csv"
    with path.open("wb") as file:
        for piece, start in enumerate(range(0, n_rows, N_ROWS)):
            text = to_csv(generate(min(N_ROWS, n_rows - start), seed=piece))
            file.write(text if piece == 0 else text.partition(b"\n")[2])
        return file.tell()


def _child(data: Path) -> None:
    before = _peak_bytes()
    started = time.perf_counter()
    took = {}
    for stage in ("set_seed", "process_data"):
        context = StageContext(
            run_id="bench",
            stage=stage,
            attempt=1,
            params=Params(),
            data_dir=data,
            models_dir=data / "models",
            run_dir=data / "run",
            version=1,
        )
        if execute(context, Events(io.StringIO())) != 0:
            raise SystemExit(1)
        took[stage] = time.perf_counter() - started
    figures = {"time_s": took["process_data"], "set_seed_s": took["set_seed"]}
    print(json.dumps(figures | {"peak_bytes": _peak_bytes(), "before_bytes": before}))


def _peak_bytes() -> int:
    # Not ru_maxrss: that one starts from what the parent held when it forked.
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text("ascii").splitlines())
    return int(fields["VmHWM"].split()[0]) * 1024


if __name__ == "__main__":
    _child(Path(sys.argv[1]))
