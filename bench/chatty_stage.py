"""A stage that logs a lot: each line is the time at which it was written, so that its reader knows the lag."""

import time

from bench import empty_stages
from bench.wait import until
from pipeline.core.events import Events
from pipeline.core.stage import SeedResult, StageContext

BURSTS = 50
INTERVAL_S = 0.2
LINES = 4


def set_seed(ctx: StageContext, events: Events) -> SeedResult:
    """Log four lines five times a second, for ten seconds, once there is a file `go` in the data folder."""
    until((ctx.data_dir / "go").exists, within_s=600, what="the file `go`")
    for _ in range(BURSTS):
        for _ in range(LINES):
            events.log(f"{time.time():.6f}")
        time.sleep(INTERVAL_S)
    return empty_stages.set_seed(ctx, events)
