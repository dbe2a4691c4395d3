"""`python -m pipeline`: the machine learning in a terminal, without any panel."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.cli.options import add_parameters
from pipeline.core.problems import ProblemError


def main(argv: Sequence[str]) -> int:
    """0: done. 2: a problem that the person can solve, shown with its fix. 1: a fault of ours. 130: stopped by ^C."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline", description="Train a model on a table, in the terminal."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="run")
    verb = verbs.add_parser(
        "run",
        help="set_seed, process_data and train_model on a table; --help lists every parameter",
        description="Train a model on a table: validate, split, prepare, fit, export, judge. Nothing goes live "
        "without --publish.",
    )
    verb.add_argument(
        "--data", type=Path, required=True, metavar="FILE_OR_DIR", help="a CSV or Parquet file, or a folder of them"
    )
    verb.add_argument(
        "--out", type=Path, default=Path("data/terminal"), metavar="DIR", help="where runs are kept [data/terminal]"
    )
    verb.add_argument("--models", type=Path, metavar="DIR", help="compare with the live model of this models folder")
    verb.add_argument(
        "--publish", action="store_true", help="make the model live there [data/models] if the gate says so"
    )
    verb.add_argument("--verbose", action="store_true", help="also show lines of level debug")
    add_parameters(verb)
    given = parser.parse_args(argv)
    from rich.console import Console

    from pipeline.cli.progress_display import show_problem

    console = Console(highlight=False)
    try:
        from pipeline.cli.run import run

        return run(given, console)
    except ProblemError as problem:
        show_problem(console, problem)
        return 2
    except OSError as error:
        why = " ".join(f"{error.strerror or error}: {error.filename or ''}".split()).rstrip(":")
        fix = "Name folders that can be written with --out and --models."
        show_problem(console, ProblemError("TRAIN-11", "The run's files cannot be written.", why=f"{why}.", fix=fix))
        return 2
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
