"""Writes the access list, by which the services know who may use them."""

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from app.web.access import FILE, Access
from pipeline.core.atomic_files import write_atomic

# Started by root, the panel runs MLflow as another user, who has to read the list. The folder that this one is in is
# private to the two, and digests open nothing.
FOLDER_MODE: Final = 0o755 if os.geteuid() == 0 else 0o700
FILE_MODE: Final = 0o644 if os.geteuid() == 0 else 0o600

log = logging.getLogger(__name__)


class AccessFile:
    """The file in `folder`. `collect` returns what is to be in it. Thread-safe."""

    def __init__(self, folder: Path, collect: Callable[[], Access]) -> None:
        self._folder = folder
        self._collect = collect
        self._lock = threading.Lock()
        self._is_missing = False

    def renew(self) -> None:
        """Write the file if that has failed: nobody gets into the services without it."""
        if self._is_missing:
            self.write()

    def write(self) -> None:
        """Replace the file. Where that fails it is removed, so that nobody stays in whose access has ended."""
        with self._lock:
            path = self._folder / FILE
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._folder.chmod(FOLDER_MODE)
                write_atomic(path, self._collect().to_json(), mode=FILE_MODE)
                self._is_missing = False
            except OSError as error:
                self._is_missing = True
                log.error("action=write_access_list path=%s error=%s", path, error)
                try:
                    path.unlink(missing_ok=True)
                except OSError:
                    log.exception("action=remove_access_list path=%s", path)
