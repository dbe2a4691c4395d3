"""Writes the access list, by which the services know who may use them."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from app.web.access import FILE, Access
from pipeline.core.atomic_files import write_atomic

log = logging.getLogger(__name__)


class AccessFile:
    """The file in `folder`. `collect` returns what is to be in it. Thread-safe."""

    def __init__(self, folder: Path, collect: Callable[[], Access]) -> None:
        self._folder = folder
        self._collect = collect
        self._lock = threading.Lock()

    def write(self) -> None:
        """Replace the file. Where that fails it is removed, so that nobody stays in whose access has ended."""
        with self._lock:
            path = self._folder / FILE
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                write_atomic(path, self._collect().to_json())
            except OSError as error:
                log.error("action=write_access_list path=%s error=%s", path, error)
                try:
                    path.unlink(missing_ok=True)
                except OSError:
                    log.exception("action=remove_access_list path=%s", path)
