"""Stages that misbehave on purpose; each is a `set_seed` that runs in a real process."""

import ctypes
import io
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from bench import empty_stages
from bench.wait import until
from pipeline.core.atomic_files import write_atomic
from pipeline.core.events import Events
from pipeline.core.stage import SeedResult, StageContext
from pipeline.core.temporary import SUFFIX
from tests.builders.problems import problem


def fails_twice(ctx: StageContext, events: Events) -> SeedResult:
    """Succeeds at the third attempt; a fault that may pass."""
    if ctx.attempt < 3:
        raise RuntimeError("not yet")
    return empty_stages.set_seed(ctx, events)


def refuses(ctx: StageContext, events: Events) -> SeedResult:
    """A verdict that no repetition changes."""
    raise problem("DATA-01", "There is no table.", fix="Put one there.")


def refuses_target(ctx: StageContext, events: Events) -> SeedResult:
    """The parameters do not fit the table."""
    raise problem("DATA-11", f"There is no column {ctx.params.target!r} to predict.")


def segfaults(ctx: StageContext, events: Events) -> SeedResult:
    """Signal 11, as from a library."""
    events.log("about to crash")
    ctypes.string_at(0)
    raise AssertionError


def is_killed(ctx: StageContext, events: Events) -> SeedResult:
    """End as a process does that the system kills when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def exits(ctx: StageContext, events: Events) -> SeedResult:
    """Ends without a word."""
    os._exit(7)


def hangs(ctx: StageContext, events: Events) -> SeedResult:
    """Ignores TERM, in a session member of which there are two."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (ctx.run_dir / "pids").write_text(f"{os.getpid()} {child.pid}")
    events.log("hanging")
    time.sleep(600)
    raise AssertionError


def waits(ctx: StageContext, events: Events) -> SeedResult:
    """Waits for the file `go` in the data folder."""
    events.log("waiting")
    until((ctx.data_dir / "go").exists, within_s=600, what="the file `go`")
    return empty_stages.set_seed(ctx, events)


def double_forks(ctx: StageContext, events: Events) -> SeedResult:
    """Leaves a process in a session of its own behind, with the output still open."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            # whole or not at all: who sees the file may end this process before it has written
            write_atomic(ctx.run_dir / "pids", str(os.getpid()).encode())
            time.sleep(600)
        os._exit(0)
    until((ctx.run_dir / "pids").exists, within_s=60, what="the pid of the grandchild")
    return empty_stages.set_seed(ctx, events)


def leaves_thread(ctx: StageContext, events: Events) -> SeedResult:
    """A thread that never ends must not keep the attempt from ending."""
    threading.Thread(target=time.sleep, args=(600,)).start()
    return empty_stages.set_seed(ctx, events)


def floods(ctx: StageContext, events: Events) -> SeedResult:
    """A line of 1 MB, bytes that are no text, a progress bar, and no line end at last."""
    out = sys.stdout
    out.flush()
    os.write(1, b"x" * 2**20 + b"\n")
    os.write(1, b"\xff\xfe broken \x00 text\n")
    os.write(1, b"".join(b"\r%d%%" % percent for percent in range(101)) + b"\n")
    os.write(2, b"from stderr, without an end")
    result = empty_stages.set_seed(ctx, Events(io.StringIO()))
    os.write(1, b"\n")
    return result


def eats_memory(ctx: StageContext, events: Events) -> SeedResult:
    """Asks for 8 MB again and again, and keeps and uses it."""
    kept = []
    while True:
        kept.append(bytearray(8 * 2**20))


def aborts_without_memory(ctx: StageContext, events: Events) -> SeedResult:
    """End as a program in C++ does that gets no memory."""
    os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n")
    os.abort()


def shows_limits(ctx: StageContext, events: Events) -> SeedResult:
    """Write the limits and the environment of the process."""
    for name in ("RLIMIT_DATA", "RLIMIT_NOFILE", "RLIMIT_CORE"):
        events.log(f"{name} {resource.getrlimit(getattr(resource, name))[0]}")
    events.log(f"RLIMIT_NPROC {resource.getrlimit(resource.RLIMIT_NPROC)[0] != resource.RLIM_INFINITY}")
    events.log(re.findall(r"NoNewPrivs:\s*\d", Path("/proc/self/status").read_text())[0])
    return empty_stages.set_seed(ctx, events)


def fills_disk(ctx: StageContext, events: Events) -> SeedResult:
    """The system takes no more bytes, at last not even what the stage says."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    while True:
        events.log("x" * 1000)


def is_killed_while_it_writes(ctx: StageContext, events: Events) -> SeedResult:
    """Dies with files in progress: in the folder of temporary ones, of its run, and of prepared sets."""
    Path(tempfile.mkdtemp(), "x").touch()
    with subprocess.Popen([sys.executable, "-c", "import tempfile; print(tempfile.gettempdir())"], stdout=-1) as child:
        events.log(f"temporary files in {child.communicate()[0].decode().strip()}")
    (ctx.run_dir / "bundle").mkdir(exist_ok=True)
    (ctx.run_dir / "bundle" / f".model.onnx.1{SUFFIX}").touch()
    (ctx.data_dir / "processed" / ".new-key-1").mkdir(parents=True)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError
