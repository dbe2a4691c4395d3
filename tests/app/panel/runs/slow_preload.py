"""A preload that imports for ever: the forkserver is killed while it is at it, or stays."""

import os
import threading
from pathlib import Path

Path(os.environ["SLOW_PRELOAD_FILE"]).write_text(str(os.getpid()))
threading.Event().wait(600)
