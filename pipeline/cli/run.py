"""`python -m pipeline run`: the first three stages on a table of one's own, in the terminal, without any panel."""

import argparse
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final, cast

from rich.console import Console

from pipeline.cli.options import parameters
from pipeline.cli.progress_display import Screen, show_problem, show_summary
from pipeline.core import runner
from pipeline.core.bundle import VERSIONS_DIR, bundle_dir, publish, read_manifest, write_pointer
from pipeline.core.events import Events
from pipeline.core.params import Params
from pipeline.core.problems import BundleError, DataError
from pipeline.core.product import TABLE_SUFFIXES
from pipeline.core.stage import ENTRY, StageContext, TrainResult, read_result

EXIT_USER: Final = 2
EXIT_CRASH: Final = 1


def run(given: argparse.Namespace) -> int:
    """Run the stages and show what came out. 0: a model; 2: a problem that the person can solve; 1: a fault of ours.

    Raises ProblemError for options that make no sense, before anything is written.
    """
    console = Console(highlight=False)
    params = parameters(given)
    tables = list(_tables(given.data))
    run_id = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]
    folder: Path = given.out / run_id
    models: Path = given.models or (_default_models() if given.publish else folder / "models")
    raw = folder / "data" / "raw"
    raw.mkdir(parents=True)
    for table in tables:
        (raw / table.name).symlink_to(table.resolve())
    begun = time.monotonic()
    code = _stages(params, folder, run_id, models, console, verbose=given.verbose)
    if code != runner.EXIT_OK:
        return EXIT_USER if code == runner.EXIT_PROBLEM else EXIT_CRASH
    result = read_result(folder, "train_model", TrainResult)
    where = result.bundle_dir
    if given.publish and result.verdict.decision == "promote":
        pointer = publish(models, result.bundle_dir, run_id)
        write_pointer(models, pointer)
        where = bundle_dir(models, pointer)
    show_summary(console, result, where, time.monotonic() - begun)
    return runner.EXIT_OK


def _stages(params: Params, folder: Path, run_id: str, models: Path, console: Console, *, verbose: bool) -> int:
    with Screen(console, ENTRY, verbose=verbose) as screen:
        events = Events(cast("IO[str]", screen))
        for stage in ENTRY:
            screen.begin(stage)
            context = StageContext(
                run_id=run_id,
                stage=stage,
                attempt=1,
                params=params,
                data_dir=folder / "data",
                models_dir=models,
                run_dir=folder,
                version=_next_version(models),
            )
            code = runner.execute(context, events)
            if code != runner.EXIT_OK:
                break
    if screen.problem is not None:
        show_problem(console, screen.problem)
    return code


def _tables(data: Path) -> Iterator[Path]:
    """The files that `--data` means: itself, or the tables in it or in its folder raw. Raises DataError DATA-01."""
    if data.is_file():
        if data.suffix.lower() not in TABLE_SUFFIXES:
            raise DataError(
                "DATA-01",
                f"{data.name} is not taken for a table.",
                why=f"Its name does not end in {', '.join(TABLE_SUFFIXES)}.",
                fix="Unpack it if it is compressed, and give it the ending of what it holds.",
            )
        return iter([data])
    inside = data / "raw" if (data / "raw").is_dir() else data
    found = sorted(path for path in inside.glob("*") if path.suffix.lower() in TABLE_SUFFIXES and path.is_file())
    if not found:
        raise DataError(
            "DATA-01",
            f"There is no table at {data}.",
            why="It is neither a file nor a folder with CSV or Parquet files.",
            fix="Name a file, or write the built-in credit table and use that.",
            command="python -m pipeline sample data/raw",
        )
    return iter(found)


def _default_models() -> Path:
    return Path(os.environ.get("ML_PIPELINE_MODELS") or "data/models")


def _next_version(models: Path) -> int:
    """One more than the highest version in the folder; bundles that cannot be read do not count."""
    highest = 0
    for folder in (models / VERSIONS_DIR).glob("[!.]*"):
        try:
            highest = max(highest, read_manifest(folder).version)
        except BundleError:
            continue
    return highest + 1
