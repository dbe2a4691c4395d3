"""Starts, cancels and repeats runs, for pages, API, terminal and schedule alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from app.panel.audit.actor import current_actor
from app.panel.disk_room import rooms
from app.panel.notifier import Notifier
from app.panel.runs.domain.interfaces import Armable
from app.panel.runs.domain.problems import (
    DiskNearlyFullError,
    InvalidParamsError,
    MissingResultError,
    RunEndedError,
)
from app.panel.runs.domain.queries import RunQueries
from app.panel.runs.domain.reuse import find_parent, first_missing, has_results
from app.panel.runs.domain.start_key import StartKey, start_key
from app.panel.runs.domain.start_limit import LIMITED, StartLimit
from app.panel.runs.domain.state import RunState, Trigger
from app.panel.runs.domain.store import LostRaceError, NewRun, RunStore
from app.panel.runs.domain.tables import Run
from app.panel.settings import Settings
from pipeline.core.params import Params
from pipeline.core.stage import STAGES, StageName

RUNS_TOPIC: Final = "runs"  # notified when a run was created or cancelled
MAX_RECOVERIES: Final = 3  # in a row: a run that takes the panel down with it must not do so for ever

_CANCEL_REASONS: Final = {"": "Cancelled.", "web": "Cancelled in the panel.", "api": "Cancelled through the API."}


@dataclass(frozen=True, slots=True)
class Started:
    """The run that was started, or that the same idempotency key has started before."""

    id: str
    number: int
    state: RunState


class RunService:
    """The verbs. Sync and thread-safe; each returns after its effect is committed."""

    def __init__(
        self,
        *,
        store: RunStore,
        queries: RunQueries,
        settings: Settings,
        notifier: Notifier,
        schedule: Armable,
    ) -> None:
        self._store, self._queries, self._settings = store, queries, settings
        self._notifier, self._schedule = notifier, schedule
        self._start_limit = StartLimit(settings.run_starts_per_minute)

    def start(
        self,
        trigger: Trigger = Trigger.MANUAL,
        *,
        params: Mapping[str, Any] | None = None,
        from_stage: StageName = "set_seed",
        force: bool = False,
        idempotency_key: str | None = None,
        is_shared_key: bool = False,
        requested_by: str = "",
    ) -> Started:
        """Queue a run and return it; the same request with the same `idempotency_key` always gives the same run.

        With `is_shared_key`, as in the forms of one page, other requests may have the key as well. `params` are laid over
        the defaults; None means the parameters of the newest run that did not fail because of them (schedule and drift: of
        the last that succeeded). Raises ProblemError RUN-01 (409, another run is active; `.run_id` names it), RUN-03 (422,
        parameters not valid), RUN-04 (409, nothing to continue from), RUN-17 (429, too many starts of the same user or
        token), RUN-19 (422, the key belongs to another request; `.run_id` names its run), DISK-01 (507, too little room on
        one of its disks).
        """
        key = start_key(
            idempotency_key, trigger, is_shared=is_shared_key, params=params, from_stage=from_stage, force=force
        )
        return self._started(key) or self._start(
            trigger, key, params=params, from_stage=from_stage, parent_id=None, force=force, requested_by=requested_by
        )

    def _start(
        self,
        trigger: Trigger,
        key: StartKey | None,
        *,
        params: Mapping[str, Any] | None,
        from_stage: StageName,
        parent_id: str | None,
        force: bool = False,
        requested_by: str,
    ) -> Started:
        valid = self._repeated_params(trigger) if params is None else _valid(_merged(self._defaults(), params))
        self._check_disk()
        if from_stage != STAGES[0] and parent_id is None:
            parent_id = find_parent(self._store, self._settings.runs_dir, from_stage).id
        run, created = self._store.create(
            NewRun(
                trigger=trigger,
                from_stage=from_stage,
                params=valid.model_dump(mode="json"),
                requested_by=requested_by,
                force=force,
                parent_id=parent_id,
                key=key,
            ),
            admit=lambda: self._admit(trigger),
        )
        if created:
            self._notifier.notify(RUNS_TOPIC)
            if trigger == Trigger.MANUAL:
                self._schedule.arm()
        return Started(run.id, run.number, RunState(run.state))

    def cancel(self, run_id: str, *, requested_by: str = "") -> RunState:
        """Ask a run to end and return its new state; no-op if it is cancelled or cancelling already.

        Raises ProblemError RUN-02 (404, no such run), RUN-05 (409, it has already ended otherwise).
        """
        while True:
            run = self._store.get(run_id)
            state = RunState(run.state)
            if state in {RunState.CANCELLING, RunState.CANCELLED}:
                return state
            if state.is_final:
                raise RunEndedError(run.number, state)
            new = RunState.CANCELLING if state == RunState.RUNNING else RunState.CANCELLED
            reason = _CANCEL_REASONS.get(requested_by) or f"Cancelled by {requested_by}."
            try:
                self._store.move(run.id, state, new, reason)
            except LostRaceError:
                continue
            self._notifier.notify(RUNS_TOPIC)
            return new

    def rerun(
        self,
        run_id: str,
        *,
        from_stage: StageName | None = None,
        params: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        is_shared_key: bool = False,
        requested_by: str = "",
    ) -> Started:
        """Start a new run like `run_id`, from `from_stage` (None: the stage that did not succeed, else the first).

        `params` are laid over those of `run_id`. Raises as `start`, and RUN-02.
        """
        parent = self._store.get(run_id)
        key = start_key(
            idempotency_key,
            Trigger.RERUN,
            is_shared=is_shared_key,
            params=params,
            from_stage=from_stage,
            parent_id=parent.id,
        )
        if (started := self._started(key)) is not None:
            return started
        runs_dir = self._settings.runs_dir
        if from_stage is None:
            done = parent.state in {RunState.SUCCEEDED, RunState.SKIPPED}
            from_stage = STAGES[0] if done else first_missing(runs_dir, parent.id)
        elif not has_results(runs_dir, parent.id, from_stage):
            raise MissingResultError(from_stage)
        return self._start(
            Trigger.RERUN,
            key,
            params=_merged(_known(parent.params), params or {}),
            from_stage=from_stage,
            parent_id=parent.id,
            requested_by=requested_by,
        )

    def recover(self, run: Run) -> Started | None:
        """Start the run that continues the interrupted `run`; return None after too many recoveries in a row.

        Raises as `start`.
        """
        ancestor: Run = run
        for _ in range(MAX_RECOVERIES):
            if ancestor.trigger != Trigger.RECOVERY or ancestor.parent_id is None:
                break
            ancestor = self._store.get(ancestor.parent_id)
        else:
            return None
        return self._start(
            Trigger.RECOVERY,
            StartKey(f"recovery:{run.id}"),
            params=_known(run.params),
            from_stage=first_missing(self._settings.runs_dir, run.id),
            parent_id=run.id,
            requested_by="panel",
        )

    def skip(self, reason: str, idempotency_key: str | None = None) -> None:
        """Leave a row for a tick that did not start anything; the same `idempotency_key` leaves one only once."""
        params = self._stored_params(Trigger.SCHEDULE)
        self._store.create_skipped(
            NewRun(
                trigger=Trigger.SCHEDULE,
                from_stage=STAGES[0],
                params=params,
                requested_by="schedule",
                key=None if idempotency_key is None else StartKey(idempotency_key),
            ),
            reason,
        )

    def next_params(self) -> Params:
        """Return the parameters of a run that somebody starts without any."""
        return self._repeated_params(Trigger.MANUAL)

    def _started(self, key: StartKey | None) -> Started | None:
        """Return the run that the key has started: whatever keeps another one from starting does not matter to it."""
        run = None if key is None else self._store.find_started(key)
        return None if run is None else Started(run.id, run.number, RunState(run.state))

    def _defaults(self) -> dict[str, Any]:
        return {"target": self._settings.target, "seed": self._settings.seed}

    def _repeated_params(self, trigger: Trigger) -> Params:
        """Return the stored parameters, or the settings if this version of the program does not accept them."""
        try:
            known = _known(self._stored_params(trigger))
            return _valid(known | self._settings_for(known))
        except InvalidParamsError:
            return _valid(self._defaults())

    def _settings_for(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings that apply because no run has overridden them; they may have changed since."""
        unset = Params()
        return {name: value for name, value in self._defaults().items() if stored.get(name) == getattr(unset, name)}

    def _stored_params(self, trigger: Trigger) -> Mapping[str, Any]:
        """Return the parameters of the run that one without its own repeats, the settings where there is none."""
        by_itself = trigger in {Trigger.SCHEDULE, Trigger.DRIFT}
        last = self._store.find_latest(RunState.SUCCEEDED) if by_itself else None
        params = self._queries.last_params() if last is None else last.params
        return self._defaults() if params is None else params

    def _admit(self, trigger: Trigger) -> None:
        if trigger in LIMITED:
            self._start_limit.count(current_actor().name)

    def _check_disk(self) -> None:
        for room in rooms(self._settings):
            if room.free_bytes < room.needed_bytes:
                raise DiskNearlyFullError(room)


def _valid(params: Mapping[str, Any]) -> Params:
    try:
        return Params.model_validate(params)
    except ValidationError as error:
        raise InvalidParamsError.from_validation(error) from error


def _known(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return stored parameters without those that only an earlier version of the program knows."""
    return {name: value for name, value in stored.items() if name in Params.model_fields}


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `over` on top of `base`; groups are merged member by member."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged
