"""Entry point of an attempt's process. Thin: the forkserver's child imports this, and nothing heavy with it."""

import faulthandler
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from multiprocessing import forkserver
from pathlib import Path
from typing import IO, Final

from app.panel.runs.stage_process import subreaper
from app.processes.exec_shim import die_with_parent
from app.processes.limits import limit
from app.processes.tree import identity
from pipeline.core.disk import disk_problem
from pipeline.core.events import Events
from pipeline.core.runner import EXIT_CRASH, EXIT_DISK, execute
from pipeline.core.stage import ENTRY, StageContext, StageFunction, StageName

ATTEMPT_ENV: Final = "ML_PIPELINE_ATTEMPT"  # in the environment of whatever a stage starts: run/stage/attempt


def main(context_json: str, output: str, entries_json: str, memory_bytes: int, temporary: str) -> None:
    """Run the stage of the context with stdout and stderr appended to `output`; never returns.

    It may use `memory_bytes` of memory, see `app.processes.limits`, and has its temporary files in the folder `temporary`,
    which whoever starts it removes. The process leads a session of its own and dies with the forkserver, which dies with the panel. `entries_json`
    maps stage names to `module:function`; those it does not name come from `pipeline.core.stage.ENTRY`. The last line of
    the output is the event `attempt` with `compute_s`, the seconds inside the stage.
    """
    # The forkserver ends when nobody holds this pipe any more; a stage that held it would keep both alive after the panel.
    os.close(forkserver._forkserver._forkserver_alive_fd)  # type: ignore[attr-defined]  # noqa: SLF001 - no public name
    os.setsid()
    die_with_parent()
    if subreaper.server_pid not in {None, os.getppid()}:  # it was killed before the call above
        os._exit(EXIT_CRASH)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    with suppress(OSError):  # if memory runs out, this process goes and not the panel
        Path("/proc/self/oom_score_adj").write_text("500")
    limit(memory_bytes)
    os.environ["TMPDIR"] = tempfile.tempdir = temporary
    code = EXIT_CRASH
    try:
        code = _attempt(context_json, output, entries_json)
    except Exception as error:  # noqa: BLE001 - the last frame of the process
        if disk_problem(error, (Path(output).parent,)) is not None:  # not even the reason could be written
            code = EXIT_DISK
        else:
            traceback.print_exc()
    finally:
        # Not sys.exit: it would wait for threads that a library has left behind.
        os._exit(code)


def _attempt(context_json: str, output: str, entries_json: str) -> int:
    out = _redirect(output)
    faulthandler.enable()
    ctx = StageContext.model_validate_json(context_json)
    Path(f"{output}.pid").write_text(json.dumps(identity(os.getpid())))
    os.environ[ATTEMPT_ENV] = f"{ctx.run_id}/{ctx.stage}/{ctx.attempt}"
    started = time.perf_counter()
    code = execute(ctx, Events(out), _loader(json.loads(entries_json)))
    compute_s = time.perf_counter() - started
    out.write(json.dumps({"event": "attempt", "compute_s": round(compute_s, 4)}) + "\n")
    out.flush()
    return code


def _redirect(output: str) -> IO[str]:
    fd = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
    os.close(null)
    sys.stdout = open(1, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    return sys.stdout


def _loader(entries: dict[str, str]) -> Callable[[StageName], StageFunction]:
    def load(stage: StageName) -> StageFunction:
        module, _, name = entries.get(stage, ENTRY[stage]).partition(":")
        function: StageFunction = getattr(import_module(module), name)
        return function

    return load
