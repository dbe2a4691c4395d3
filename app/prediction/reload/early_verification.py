"""Begins to verify the live bundle while the API still imports what it serves with: a start takes half as long."""

import asyncio
import threading
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Self

from app.prediction.reload.verify import verify
from app.prediction.settings import ApiSettings
from pipeline.core.bundle import bundle_dir
from pipeline.core.pointer import read_pointer
from pipeline.core.problems import BundleError


class EarlyVerification:
    """The verification of one bundle, in a thread and a process of its own."""

    def __init__(self, settings: ApiSettings, folder: Path, sha256: str) -> None:
        self._bundle = (folder, sha256)
        self._verified: Future[None] = Future()
        timeout_s, memory_bytes = settings.verify_timeout_s, settings.verify_memory_bytes

        def work() -> None:
            try:
                asyncio.run(verify(folder, sha256, timeout_s=timeout_s, memory_bytes=memory_bytes))
            except BaseException as error:  # noqa: BLE001 - whoever waits for it raises it
                self._verified.set_exception(error)
            else:
                self._verified.set_result(None)

        threading.Thread(target=work, name="early-verification", daemon=True).start()

    @classmethod
    def of_live(cls, settings: ApiSettings) -> Self | None:
        """Begin with the bundle that the pointer names; None where it names none or cannot be read."""
        with suppress(BundleError):
            pointer = read_pointer(settings.models_dir)
            if pointer is not None:
                return cls(settings, bundle_dir(settings.models_dir, pointer), pointer.sha256)
        return None

    def is_of(self, folder: Path, sha256: str) -> bool:
        """Return whether it is this bundle that is verified."""
        return self._bundle == (folder, sha256)

    async def wait(self) -> None:
        """Return, or raise, as `verify`."""
        await asyncio.shield(asyncio.wrap_future(self._verified))
