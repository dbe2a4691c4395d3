"""Runs the real stages on a table, for tests that need a whole run."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets

from pipeline.core.events import Events
from pipeline.core.params import Params
from pipeline.core.runner import execute
from pipeline.core.stage import ENTRY, StageContext, StageName, TrainResult, read_result


@dataclass(frozen=True)
class Cycle:
    """A finished run of the first stages: exit code of the last one, its events, and the folders."""

    code: int
    events: list[dict[str, Any]]
    run_dir: Path
    models_dir: Path

    @property
    def result(self) -> TrainResult:
        """Return the result of train_model."""
        return read_result(self.run_dir, "train_model", TrainResult)


def run_stages(
    folder: Path,
    table: pd.DataFrame | None,
    params: Params,
    *,
    run_id: str = "r1",
    version: int = 1,
    first: StageName = "set_seed",
    last: StageName = "train_model",
) -> Cycle:
    """Write `table` as folder/data/raw/table.csv (None: keep what is there) and run the stages from `first` to `last` on it."""
    raw = folder / "data" / "raw"
    if table is not None:
        raw.mkdir(parents=True, exist_ok=True)
        table.to_csv(raw / "table.csv", index=False)
    code, events, run_dir = 0, [], folder / run_id
    for stage in list(ENTRY)[list(ENTRY).index(first) :]:
        stream = io.StringIO()
        ctx = StageContext(
            run_id=run_id,
            stage=stage,
            attempt=1,
            params=params,
            data_dir=folder / "data",
            models_dir=folder / "models",
            run_dir=run_dir,
            version=version,
        )
        code = execute(ctx, Events(stream))
        events = [json.loads(line) for line in stream.getvalue().splitlines()]
        if code or stage == last:
            break
    return Cycle(code, events, run_dir, folder / "models")


def bundled(name: str) -> pd.DataFrame:
    """Return a data set that scikit-learn brings along; the target is the column `target`."""
    frame: pd.DataFrame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    return frame


def odd_table(n: int = 600) -> pd.DataFrame:
    """Numbers, flags and words, with missing values and names that need quoting; targets of all three tasks."""
    rng = np.random.default_rng(0)
    size = rng.normal(size=n)
    word = rng.choice(["red", "green", "blue", 'Ünï, "q"'], n)
    flag = rng.random(n) < 0.4
    z = size + (word == "red") - flag + 0.3 * rng.normal(size=n)
    frame = pd.DataFrame(
        {
            "größe, in m": np.where(rng.random(n) < 0.1, np.nan, size).astype(np.float32),
            'it\'s "quoted"': np.round(np.exp(rng.normal(size=n) * 3), 3),
            "flag": flag,
            "colour": pd.Series(word).where(rng.random(n) > 0.1),
            "whole": rng.integers(0, 9, n),
        }
    )
    return frame.assign(
        yes=np.where(z > 0.5, "yes", "no"),
        level=pd.cut(z, [-99, -1, 1, 99], labels=["low", "mid", "high"]),
        price=z * 30 + 500,
    )
