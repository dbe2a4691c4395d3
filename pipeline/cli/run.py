"""`python -m pipeline run`: the first three stages on any table, in the terminal, without a panel."""

import argparse
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final, cast

from rich.console import Console

from pipeline.cli.options import parameters
from pipeline.cli.progress_display import ProgressDisplay, show_problem, show_summary
from pipeline.core import runner
from pipeline.core.bundle import VERSIONS_DIR, bundle_dir, publish, read_manifest
from pipeline.core.events import Events
from pipeline.core.params import Params
from pipeline.core.pointer import write_pointer
from pipeline.core.problems import BundleError
from pipeline.core.stage import ENTRY, StageContext, TrainResult, read_result
from pipeline.core.table_files import has_table_suffix, is_table
from pipeline.ingest.problems import NoTableError

EXIT_USER: Final = 2


def run(arguments: argparse.Namespace) -> int:
    """Run the stages, print the result and return the exit code.

    0: a model. 2: a problem that the user can solve. 1: a fault of the program. Raises ProblemError for invalid options,
    before anything is written.
    """
    console = Console(highlight=False)
    params = parameters(arguments)
    tables = _tables(arguments.data)
    run_id = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]
    folder: Path = arguments.out / run_id
    models: Path = arguments.models or (_default_models() if arguments.publish else folder / "models")
    raw = folder / "data" / "raw"
    raw.mkdir(parents=True)
    for table in tables:
        (raw / table.name).symlink_to(table.resolve())
    started = time.monotonic()
    code = _run_stages(params, folder, run_id, models, console, verbose=arguments.verbose)
    if code != runner.EXIT_OK:
        return EXIT_USER if code == runner.EXIT_PROBLEM else code
    result = read_result(folder, "train_model", TrainResult)
    bundle = result.bundle_dir
    if arguments.publish and result.verdict.decision == "promote":
        pointer = publish(models, result.bundle_dir, run_id)
        write_pointer(models, pointer)
        bundle = bundle_dir(models, pointer)
    show_summary(console, result, bundle, time.monotonic() - started)
    return runner.EXIT_OK


def _run_stages(params: Params, folder: Path, run_id: str, models: Path, console: Console, *, verbose: bool) -> int:
    with ProgressDisplay(console, ENTRY, verbose=verbose) as display:
        events = Events(cast("IO[str]", display))
        for stage in ENTRY:
            display.start(stage)
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
            display.finish()
    if display.problem is not None:
        show_problem(console, display.problem)
    return code


def _tables(data: Path) -> list[Path]:
    """Return the files that `--data` names: itself, or the tables in it or in its folder raw. Raises NoTableError."""
    if data.is_file():
        if not has_table_suffix(data.name):
            raise NoTableError.with_other_suffix(data)
        return [data]
    directory = data / "raw" if (data / "raw").is_dir() else data
    tables = [path for path in directory.glob("*") if is_table(path)]
    if not tables:
        raise NoTableError.at_path(data)
    return tables


def _default_models() -> Path:
    return Path(os.environ.get("ML_PIPELINE_MODELS") or "data/models")


def _next_version(models: Path) -> int:
    """Return one more than the highest version in the folder; bundles that cannot be read are ignored."""
    highest = 0
    for folder in (models / VERSIONS_DIR).glob("[!.]*"):
        try:
            highest = max(highest, read_manifest(folder).version)
        except BundleError:
            continue
    return highest + 1
