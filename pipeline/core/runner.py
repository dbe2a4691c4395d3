"""Runs one stage in this process and leaves its result on disk. The panel and the terminal both call `execute`.

Light until the stage itself is loaded: numpy comes only along if something has imported it already.
"""

import random
import sys
import traceback
from collections.abc import Callable
from typing import Final

from pipeline.core import memory
from pipeline.core.atomic_files import write_atomic
from pipeline.core.disk import disk_problem, stage_folders
from pipeline.core.events import Events
from pipeline.core.problems import ProblemError, StageOutOfMemoryError, UnexpectedStageError
from pipeline.core.stage import STAGE_TITLES, StageContext, StageFunction, load, result_path

EXIT_OK: Final = 0
EXIT_CRASH: Final = 1  # a fault of the program
EXIT_PROBLEM: Final = 3  # an expected failure, reported by an `error` event
EXIT_DISK: Final = 74  # sysexits: not even the reason could be written


def execute(ctx: StageContext, events: Events, loader: Callable[..., StageFunction] = load) -> int:
    """Run the stage that `ctx` names and return the exit code of its process.

    0: the result is in `run_dir/<stage>.json` (whole or not at all). 3: a `ProblemError`, not enough memory (TRAIN-90) or
    a folder that cannot be used (family DISK) was reported as the last event. 1: anything else, reported as TRAIN-99.
    Before both, the traceback is logged at level `debug`. KeyboardInterrupt and SystemExit pass through, and so does a
    disk that takes no event.
    """
    try:
        ctx.run_dir.mkdir(parents=True, exist_ok=True)
        apply_seed(ctx.params.seed)
        result = loader(ctx.stage)(ctx, events)
        write_atomic(result_path(ctx.run_dir, ctx.stage), result.model_dump_json(indent=1).encode())
    except ProblemError as problem:
        events.error(problem)
        return EXIT_PROBLEM
    except Exception as error:  # noqa: BLE001  # the outermost frame of the process: whatever it is, it is reported
        if memory.is_out_of_memory(error):
            limit_bytes = memory.process_limit_bytes()
            memory.use_reserve()
            events.error(StageOutOfMemoryError(STAGE_TITLES[ctx.stage], limit_bytes))
            return EXIT_PROBLEM
        disk = disk_problem(
            error,
            stage_folders(ctx.data_dir, ctx.models_dir, ctx.run_dir),
            doing=f"Stage “{STAGE_TITLES[ctx.stage]}” stopped",
        )
        for line in traceback.format_exception(error):
            for text in line.rstrip("\n").split("\n"):
                events.log(text, "debug")
        events.error(disk or UnexpectedStageError(STAGE_TITLES[ctx.stage], error))
        return EXIT_PROBLEM if disk else EXIT_CRASH
    return EXIT_OK


def apply_seed(seed: int) -> None:
    """Seed the global generators of this process: Python's, and numpy's where numpy is loaded.

    Stages use generators of their own, seeded with `params.seed`; this covers what libraries draw.
    """
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(seed)
