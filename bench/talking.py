"""A stage that talks: each line is the moment at which it was said, so that whoever gets it knows how late it is."""

import time

from pipeline.core.events import Events
from pipeline.core.stage import SeedResult, StageContext
from tests.app.panel.runs import empty_stages

BURSTS = 50
EVERY_S = 0.2
LINES = 4


def set_seed(ctx: StageContext, events: Events) -> SeedResult:
    """Four lines five times a second, for ten seconds, once there is a file `go` in the data folder."""
    while not (ctx.data_dir / "go").exists():
        time.sleep(0.02)
    for _ in range(BURSTS):
        for _ in range(LINES):
            events.log(f"{time.time():.6f}")
        time.sleep(EVERY_S)
    return empty_stages.set_seed(ctx, events)
