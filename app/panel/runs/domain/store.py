"""The only writer of runs. A move is a compare-and-swap and an event row in one transaction."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, update
from sqlmodel import Session, col, select

from app.panel.audit.record import record
from app.panel.clock import Clock
from app.panel.db.engine import Database
from app.panel.runs.domain.problems import ActiveRunError, IdempotencyKeyReusedError, RunNotFoundError
from app.panel.runs.domain.start_key import StartKey
from app.panel.runs.domain.state import ACTIVE, AttemptState, RunState, Trigger, check_move
from app.panel.runs.domain.tables import Run, RunEvent, StageAttempt


class LostRaceError(Exception):
    """The run was moved by somebody else first; read it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """A run to create; see `StartKey` for `key`."""

    trigger: Trigger
    from_stage: str
    params: Mapping[str, Any]
    requested_by: str
    force: bool = False
    parent_id: str | None = None
    key: StartKey | None = None


@dataclass(frozen=True, slots=True)
class RunSnapshot:
    """A run at one moment and its attempts, by stage from the first on."""

    run: Run
    attempts: tuple[StageAttempt, ...]

    @property
    def stage(self) -> str:
        """Return the current stage."""
        return self.run.stage or self.run.from_stage

    @property
    def attempt(self) -> int:
        """Return the number of the newest attempt of the current stage, 0 before the first."""
        return max((attempt.attempt for attempt in self.attempts if attempt.stage == self.stage), default=0)


class RunStore:
    """Writes of runs, attempts, events. Sync and thread-safe; what is returned is committed."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def create(self, new: NewRun, admit: Callable[[], None] = lambda: None) -> tuple[Run, bool]:
        """Return a queued run and True, or the run that the same key created before and False.

        `admit` is called before a run is created, and may refuse it by raising. Raises ActiveRunError, and
        IdempotencyKeyReusedError where the key has created a run for another request.
        """
        with self._db.write() as session:
            same = _of_key(session, new.key)
            if same is not None:
                return same, False
            active = session.exec(select(Run).where(col(Run.state).in_(ACTIVE))).first()
            if active is not None:
                raise ActiveRunError(run_id=active.id, number=active.number, state=active.state)
            admit()
            run = self._insert(session, new, RunState.QUEUED, "")
            record(session, run.created_at, _action(run), f"run {run.number}", after=_described(run))
            return run, True

    def create_skipped(self, new: NewRun, reason: str) -> Run:
        """Return the row of a tick that started no run, with the reason; one for each key."""
        with self._db.write() as session:
            return _of_key(session, new.key) or self._insert(session, new, RunState.SKIPPED, reason)

    def move(self, run_id: str, old: RunState, new: RunState, reason: str = "", **columns: object) -> None:
        """Move a run from `old` to `new` and write `columns` with it.

        Raises LostRaceError if it is not in `old`, IllegalTransitionError if the table has no such move.
        """
        check_move(old, new)
        now = self._clock.now()
        if new not in ACTIVE:
            columns.setdefault("finished_at", now)
            columns.setdefault("retry_at", None)
        with self._db.write() as session:
            statement = update(Run).where(col(Run.id) == run_id, col(Run.state) == old)
            result = session.connection().execute(statement.values(state=new, reason=reason, **columns))
            if result.rowcount != 1:
                raise LostRaceError(run_id)
            session.add(RunEvent(run_id=run_id, at=now, old=old, new=new, reason=reason))
            if new in {RunState.CANCELLING, RunState.CANCELLED}:
                number = session.exec(select(Run.number).where(Run.id == run_id)).one()
                record(session, now, "run.cancel", f"run {number}", before={"state": old}, after={"state": new})

    def record(self, run_id: str, **columns: object) -> None:
        """Write columns of a run other than its state."""
        with self._db.write() as session:
            session.connection().execute(update(Run).where(col(Run.id) == run_id).values(**columns))

    def begin_attempt(self, run_id: str, stage: str) -> int:
        """Add an attempt and return its number, from 1; `stage` becomes the run's current stage."""
        now = self._clock.now()
        with self._db.write() as session:
            last = session.exec(
                select(func.max(StageAttempt.attempt)).where(StageAttempt.run_id == run_id, StageAttempt.stage == stage)
            ).one()
            attempt = (last or 0) + 1
            session.add(StageAttempt(run_id=run_id, stage=stage, attempt=attempt, started_at=now))
            session.connection().execute(update(Run).where(col(Run.id) == run_id).values(stage=stage))
        return attempt

    def reuse_attempts(self, run_id: str, stages: Sequence[str], **run_columns: object) -> None:
        """Add an attempt for each stage whose result was taken over, and the columns of the run that follow from them."""
        now = self._clock.now()
        with self._db.write() as session:
            for stage in stages:
                reused = StageAttempt(run_id=run_id, stage=stage, attempt=1, state=AttemptState.REUSED, started_at=now)
                reused.finished_at = now
                session.add(reused)
            if run_columns:
                session.connection().execute(update(Run).where(col(Run.id) == run_id).values(**run_columns))

    def end_attempt(
        self,
        run_id: str,
        stage: str,
        attempt: int,
        state: AttemptState,
        *,
        duration_s: float,
        compute_s: float | None = None,
        error: Mapping[str, Any] | None = None,
        run_columns: Mapping[str, object] | None = None,
        reason: str | None = None,
    ) -> None:
        """Record how an attempt ended, and the columns of the run that follow from it.

        `reason` is why the run will have succeeded; a run that is being cancelled keeps its own.
        """
        with self._db.write() as session:
            row = session.get_one(StageAttempt, (run_id, stage, attempt))
            row.state, row.finished_at = state, self._clock.now()
            row.duration_s, row.compute_s = duration_s, compute_s
            row.error = None if error is None else dict(error)
            if run_columns:
                session.connection().execute(update(Run).where(col(Run.id) == run_id).values(**run_columns))
            if reason is not None:
                is_running = (col(Run.id) == run_id, col(Run.state) == RunState.RUNNING)
                session.connection().execute(update(Run).where(*is_running).values(reason=reason))

    def interrupt_attempts(self, run_id: str) -> None:
        """Mark attempts as interrupted that are `running` although no process runs them."""
        with self._db.write() as session:
            statement = update(StageAttempt).where(
                col(StageAttempt.run_id) == run_id, col(StageAttempt.state) == AttemptState.RUNNING
            )
            session.connection().execute(
                statement.values(state=AttemptState.INTERRUPTED, finished_at=self._clock.now())
            )

    def get(self, run_id: str) -> Run:
        """Return the run's row, by id or number. Raises RunNotFoundError."""
        with self._db.read() as session:
            run = look_up(session, run_id)
        if run is None:
            raise RunNotFoundError(run_id)
        return run

    def snapshot(self, run_id: str) -> RunSnapshot:
        """Return the run and its attempts. Raises RunNotFoundError."""
        with self._db.read() as session:
            run = session.get(Run, run_id)
            if run is None:
                raise RunNotFoundError(run_id)
            attempts = select(StageAttempt).where(StageAttempt.run_id == run_id).order_by(col(StageAttempt.attempt))
            return RunSnapshot(run, tuple(session.exec(attempts)))

    def find_state(self, run_id: str) -> RunState | None:
        """Return the state of a run by its id, None if there is no such run."""
        with self._db.read() as session:
            state = session.exec(select(Run.state).where(Run.id == run_id)).first()
        return None if state is None else RunState(state)

    def find_started(self, key: StartKey) -> Run | None:
        """Return the run that the key has created, if any. Raises IdempotencyKeyReusedError."""
        with self._db.read() as session:
            return _of_key(session, key)

    def find_active(self) -> Run | None:
        """Return the run that has not ended, if any."""
        with self._db.read() as session:
            return session.exec(select(Run).where(col(Run.state).in_(ACTIVE))).first()

    def find_latest(self, *states: RunState, before: int | None = None) -> Run | None:
        """Return the newest run in one of `states` (without any: not skipped) with a number below `before`."""
        statement = select(Run).order_by(col(Run.number).desc())
        statement = statement.where(
            col(Run.state).in_(states) if states else col(Run.state) != RunState.SKIPPED,
            *(() if before is None else (col(Run.number) < before,)),
        )
        with self._db.read() as session:
            return session.exec(statement.limit(1)).first()

    def find_child(self, run_id: str) -> Run | None:
        """Return the newest run that continues `run_id`, if any."""
        with self._db.read() as session:
            return session.exec(select(Run).where(Run.parent_id == run_id).order_by(col(Run.number).desc())).first()

    def highest_version(self) -> int:
        """Return the highest model version that any run was given, 0 if none was."""
        with self._db.read() as session:
            return session.exec(select(func.max(Run.model_version))).one() or 0

    def _insert(self, session: Session, new: NewRun, state: RunState, reason: str) -> Run:
        now = self._clock.now()
        number = (session.exec(select(func.max(Run.number))).one() or 0) + 1
        run = Run(
            id=f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
            number=number,
            state=state,
            trigger=new.trigger,
            from_stage=new.from_stage,
            params=dict(new.params),
            force=new.force,
            parent_id=new.parent_id,
            idempotency_key=None if new.key is None else new.key.stored,
            requested_by=new.requested_by,
            created_at=now,
            finished_at=None if state in ACTIVE else now,
            reason=reason,
        )
        session.add(run)
        session.flush()
        session.add(RunEvent(run_id=run.id, at=now, new=state, reason=reason))
        return run


def _of_key(session: Session, key: StartKey | None) -> Run | None:
    if key is None:
        return None
    column = col(Run.idempotency_key)
    # Without a digest: by the panel itself, or by a version that did not compare.
    same = session.exec(select(Run).where(column.in_((key.stored, key.text)))).first()
    if same is None and key.digest and not key.is_shared:
        other = session.exec(select(Run).where(column > f"{key.text} ", column < f"{key.text}!")).first()
        if other is not None:
            raise IdempotencyKeyReusedError(run_id=other.id, number=other.number)
    return same


def _action(run: Run) -> str:
    return "run.rerun" if run.trigger == Trigger.RERUN else "run.start"


def _described(run: Run) -> dict[str, Any]:
    return {"from_stage": run.from_stage, "force": run.force, "parent": run.parent_id, "params": run.params}


def look_up(session: Session, run_id: str) -> Run | None:
    """Return a run by its id or its number, None if there is no such run."""
    run = session.get(Run, run_id)
    if run is None and run_id.isascii() and run_id.isdecimal() and len(run_id) < 16:
        run = session.exec(select(Run).where(Run.number == int(run_id))).first()
    return run
