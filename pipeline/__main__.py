"""`python -m pipeline`: the machine learning in a terminal, without any panel."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pipeline.cli.options import add_parameters
from pipeline.cli.problems import UnwritableFilesError
from pipeline.core.problems import ProblemError


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code.

    0: done. 2: a problem that the user can solve, shown with its fix. 1: a fault of the program. 130: stopped by ^C.
    """
    arguments = _parser().parse_args(argv)
    try:
        if arguments.command == "sample":
            from pipeline.cli.sample import sample

            return sample(arguments.directory)
        from pipeline.cli.run import run

        return run(arguments)
    except ProblemError as problem:
        return _show(problem)
    except OSError as error:
        return _show(UnwritableFilesError(error, _ADVICE[arguments.command]))
    except KeyboardInterrupt:
        sys.stdout.write("Stopped.\n")
        return 130


_ADVICE: Final = {
    "run": "Choose writable folders with --out and --models.",
    "sample": "Choose a writable folder.",
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline", description="Train a model on a table, in the terminal."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="{run,sample}")
    run = commands.add_parser(
        "run",
        help="run set_seed, process_data and train_model on a table; run --help lists every parameter",
        description="Train a model on a table: validate, split, prepare, fit, export, verify and gate. Nothing goes "
        "live without --publish.",
    )
    run.add_argument(
        "--data", type=Path, required=True, metavar="FILE_OR_DIR", help="a CSV or Parquet file, or a folder of them"
    )
    run.add_argument(
        "--out", type=Path, default=Path("data/terminal"), metavar="DIR", help="where runs are kept [data/terminal]"
    )
    run.add_argument("--models", type=Path, metavar="DIR", help="compare with the live model of this models folder")
    run.add_argument(
        "--publish", action="store_true", help="make the model live there [data/models] if the gate promotes it"
    )
    run.add_argument("--verbose", action="store_true", help="also show log lines of level debug")
    add_parameters(run)
    sample = commands.add_parser(
        "sample",
        help="write the built-in synthetic credit table into a folder",
        description="Write the built-in synthetic credit table (150,000 rows) into a folder that has no table yet.",
    )
    sample.add_argument(
        "directory", type=Path, nargs="?", default=Path("data/raw"), metavar="DIR", help="the folder [data/raw]"
    )
    return parser


def _show(problem: ProblemError) -> int:
    from rich.console import Console

    from pipeline.cli.progress_display import show_problem

    show_problem(Console(highlight=False), problem)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
