"""Reloads the model when the pointer changes: has the bundle verified, loads it beside the old one, then switches.

Level-triggered: each poll compares what the pointer names with what is loaded, so a missed change costs one interval.
Whatever goes wrong, the loaded model stays; where none is loaded yet, the newest version that was live and that can be
loaded stands in.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from app.prediction.bundle_problems import ModelLoadError
from app.prediction.reload.early_verification import EarlyVerification
from app.prediction.reload.stand_in import may_stand_in, stand_ins
from app.prediction.reload.verify import verify
from app.prediction.scoring.loaded_model import LoadedModel
from app.prediction.scoring.model import Model
from app.prediction.settings import ApiSettings
from pipeline.core.bundle import MANIFEST_FILE, bundle_dir, read_manifest, read_model
from pipeline.core.bundle_problems import PointerError
from pipeline.core.pointer import Pointer, pointer_path, read_pointer, says_no_model
from pipeline.core.problems import ProblemError

log = logging.getLogger(__name__)

# A load may have failed because the machine was busy: it is retried with growing pauses.
RETRY_FIRST_S: Final = 2.0
RETRY_LAST_S: Final = 60.0

PointerStamp = tuple[int, int, int] | None  # inode, time and size of the pointer, None where there is none


@dataclass
class Counts:
    """Number of new models that were loaded, and of loads that failed."""

    reloads: int = 0
    failures: int = 0


class ModelReloader:
    """Holds the live model in `live_model` (None before the first) and the one before it, still warm, in `previous`.

    `problem` is why the pointer cannot be followed at the moment, None when all is well; `wanted` is the version that it
    names, None where it names none. `is_loading`: which model is to serve is being found out, for the first time or after
    there was none.
    """

    def __init__(self, settings: ApiSettings, early: EarlyVerification | None = None) -> None:
        """`early` is a verification that has begun already."""
        self._settings = settings
        self._early = early
        self.live_model: LoadedModel | None = None
        self.previous: LoadedModel | None = None
        self.loaded_at: datetime | None = None
        self.problem: ProblemError | None = None
        self.wanted: int | None = None
        self.is_loading = True
        self.counts = Counts()
        self._loaded: dict[str, LoadedModel] = {}
        self._pointer: Pointer | None = None
        self._stamp: PointerStamp = None
        self._has_polled = False
        self._retry_at = 0.0
        self._retry_pause_s = RETRY_FIRST_S
        self._has_followed = asyncio.Event()

    async def wait_followed(self, timeout_s: float) -> None:
        """Return when the pointer has been followed once, with a model or without, or when the time is over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._has_followed.wait(), timeout_s)

    async def run(self) -> None:
        """Follow the pointer until cancelled."""
        while True:
            await self.poll_once()
            await asyncio.sleep(self._settings.poll_s)

    async def catch_up(self) -> None:
        """Return once the model that the pointer names is loaded, or none is named. Raises ProblemError why it cannot be."""
        while True:
            await self.poll_once()
            if self.problem is not None:
                raise self.problem
            if self._stat() == self._stamp:
                return

    async def poll_once(self) -> None:
        """Follow the pointer once. Raises nothing but CancelledError."""
        stamp = self._stat()
        if self._has_polled and stamp == self._stamp and (self.problem is None or time.monotonic() < self._retry_at):
            return
        if stamp != self._stamp:
            self._retry_pause_s = RETRY_FIRST_S
        self.is_loading = self.live_model is None and self.problem is None
        try:
            await self._follow(stamp)
            self.problem = None
        except ProblemError as problem:
            self._fail(problem)
            await self._stand_in(stamp)
        except Exception as error:
            log.exception("action=reload_failed")
            self._fail(ModelLoadError(f"{type(error).__name__}."))
            await self._stand_in(stamp)
        self.is_loading = (
            self.live_model is None and self._stat() != stamp
        )  # it changed meanwhile: the next poll loads it
        self._has_polled = True
        self._stamp = stamp
        self._retry_at = time.monotonic() + self._retry_pause_s
        self._retry_pause_s = min(2 * self._retry_pause_s, RETRY_LAST_S)
        self._has_followed.set()

    def _fail(self, problem: ProblemError) -> None:
        if self.problem is None or str(self.problem) != str(problem):
            log.error("action=reload_failed error=%s", problem)
        self.problem = problem
        self.counts.failures += 1

    async def _follow(self, stamp: PointerStamp) -> None:
        models_dir = self._settings.models_dir
        self.wanted = None
        pointer = read_pointer(models_dir)
        if pointer is None:
            # Only a pointer that says so takes the model out of service; one that is gone was lost.
            if says_no_model(models_dir):
                self.previous, self.live_model, self._pointer = self.live_model or self.previous, None, None
            elif self._pointer is not None or may_stand_in(models_dir):
                raise PointerError.missing()
            return
        self.wanted = pointer.version
        if pointer == self._pointer:
            return
        warm = self._loaded.get(pointer.sha256)
        loaded = (
            warm.with_fresh_stats()
            if warm is not None
            else await self._load_unless_superseded(self._load(pointer), stamp)
        )
        if loaded is not None:
            self._switch(pointer, loaded)

    async def _stand_in(self, stamp: PointerStamp) -> None:
        """Load the newest version that was live and can be loaded, unless a model is loaded already."""
        if self.live_model is not None:
            return
        candidates = stand_ins(self._settings.models_dir)
        while True:
            try:
                pointer = await asyncio.to_thread(next, candidates, None)
                loaded = pointer and await self._load_unless_superseded(self._load(pointer), stamp)
            except ProblemError as problem:
                log.warning("action=stand_in error=%s", problem)
                continue
            except Exception:
                log.exception("action=stand_in")
                continue
            if pointer and loaded:
                self._switch(pointer, loaded)
                log.error("action=stand_in version=%s wanted=%s problem=%s", pointer.version, self.wanted, self.problem)
            return

    def _switch(self, pointer: Pointer, loaded: LoadedModel) -> None:
        if self.live_model is not None and self.live_model.model is not loaded.model:
            self.previous = self.live_model
        self.live_model = loaded  # the switch
        self._pointer = pointer
        self.loaded_at = datetime.now(UTC)
        self.counts.reloads += 1
        kept = (loaded, self.previous)
        self._loaded = {
            key: each
            for key, each in {**self._loaded, pointer.sha256: loaded}.items()
            if any(each is loaded_model for loaded_model in kept)
        }
        log.info("action=model_live version=%s digest=%s", loaded.model.version, loaded.model.manifest.digest)

    async def _load_unless_superseded(
        self, load: Coroutine[None, None, LoadedModel], stamp: PointerStamp
    ) -> LoadedModel | None:
        """Return what `load` does, or None as soon as the pointer changes again: a rollback does not wait for the load."""
        loading = asyncio.create_task(load)
        try:
            while self._stat() == stamp:
                if (await asyncio.wait({loading}, timeout=self._settings.poll_s))[0]:
                    return loading.result() if self._stat() == stamp else None
            return None
        finally:
            loading.cancel()
            await asyncio.gather(loading, return_exceptions=True)

    async def _load(self, pointer: Pointer) -> LoadedModel:
        settings = self._settings
        folder = bundle_dir(settings.models_dir, pointer)
        early, self._early = self._early, None
        if early is not None and early.is_of(folder, pointer.sha256):
            await early.wait()
        else:
            await verify(
                folder,
                pointer.sha256,
                timeout_s=settings.verify_timeout_s,
                memory_bytes=settings.verify_memory_bytes,
            )

        def load() -> LoadedModel:
            manifest = read_manifest(folder, pointer.sha256)
            model = Model(manifest, read_model(folder, manifest), (folder / MANIFEST_FILE).read_bytes())
            model.check_golden()
            return LoadedModel.of(model, settings.max_rows)

        return await asyncio.to_thread(load)

    def _stat(self) -> PointerStamp:
        with contextlib.suppress(OSError):
            status = os.stat(pointer_path(self._settings.models_dir))  # noqa: PTH116 - called five times a second
            return status.st_ino, status.st_mtime_ns, status.st_size
        return None
