"""The writer thread, which makes all changes of the database.

It executes queued jobs in groups: one transaction, and one flush to the disk, for the whole group.
Then it reports the results. If one job fails, only its caller gets the error, and the writer
repeats the others, each in its own transaction. If the database fails, all callers get an error. If
the answer to a COMMIT is lost, the writer reports nothing until it has read from the database
whether the transaction was committed. No error ends the thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from msgspec import Struct
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from experiment_server.errors import SessionLost, StoreUnavailable
from experiment_server.limits.store import (
    COMMIT_QUEUE_MAX,
    REFUSAL_LOG_INTERVAL_S,
    SESSION_CHECK_INTERVAL_S,
    STORE_STOP_TIMEOUT_S,
)
from experiment_server.store.database import reason_of
from experiment_server.store.jobs import JobQueue

log = logging.getLogger(__name__)

Item = TypeVar("Item")


class Execution(Struct):
    """The result of a group, whose transaction is not committed yet.

    `outcomes` has the result of each job, or its exception. `committed` is called after the COMMIT.
    `fence` is a value that the database contains only after the COMMIT; None if the group wrote
    nothing.
    """

    outcomes: list[object]
    committed: Callable[[], None] = lambda: None
    fence: str | None = None


@dataclass(frozen=True, slots=True)
class Work(Generic[Item]):
    """The functions that the writer calls, all on its thread.

    `execute` executes a group in the connection's transaction; if its flag `careful` is set, each
    job by itself. `was_committed` says whether a transaction was committed whose COMMIT was not
    answered. `check_session` is called at intervals. These three raise SessionLost if another
    server has the session. `on_end` is called last.
    """

    execute: Callable[[Connection, Sequence[Item], bool], Execution]
    was_committed: Callable[[Connection, Execution], bool]
    check_session: Callable[[], None]
    on_end: Callable[[], None]


class GroupConflict(Exception):
    """A job of a group conflicts with the stored state; the writer repeats each job by itself."""


Callback = Callable[[Any], None]
"""Called with the result of a job after the COMMIT, or with its exception."""


@dataclass(slots=True)
class _Job(Generic[Item]):
    item: Item
    on_done: Callback


_Group = Sequence[_Job[Item]]


class _OutcomeUnknown(Exception):
    """The answer to a COMMIT was lost, so its outcome is unknown."""

    def __init__(self, execution: Execution, error: SQLAlchemyError) -> None:
        super().__init__(reason_of(error))
        self.execution = execution


class Writer(Generic[Item]):
    """Executes jobs in grouped transactions on its own thread."""

    def __init__(self, engine: Engine, work: Work[Item]) -> None:
        self._engine = engine
        self._work = work
        self._jobs: JobQueue[_Job[Item]] = JobQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._closed = False
        self._lost: StoreUnavailable | None = None
        self._unknown: tuple[_Group[Item], _OutcomeUnknown] | None = None
        self._checked_at = time.monotonic()
        self._refusals = _Refusals()
        self._on_transaction: Callable[[float], None] = lambda _seconds: None
        self._dispatch: Callable[[Callable[[], None]], object] = lambda dispatch: dispatch()
        self._on_lost: Callable[[], object] = lambda: None
        self._thread.start()

    @property
    def waiting(self) -> int:
        """The number of queued jobs."""
        return len(self._jobs)

    @property
    def lost(self) -> StoreUnavailable | None:
        """The reason why the writer has stopped, None while it works."""
        return self._lost

    def on_commit(self, callback: Callable[[float], None]) -> None:
        """Call a function with the seconds that each transaction took."""
        self._on_transaction = callback

    def set_wake_scheduler(self, schedule: Callable[[Callable[[], None]], object]) -> None:
        """Wake the writer by calls of `schedule`; see `JobQueue.set_wake_scheduler`."""
        self._jobs.set_wake_scheduler(schedule)

    def set_dispatcher(self, dispatch: Callable[[Callable[[], None]], object]) -> None:
        """Report the results of each group by one call of `dispatch`, which gets a function."""
        self._dispatch = dispatch

    def on_lost(self, callback: Callable[[], object]) -> None:
        """Call a function when the writer stops, on its thread or the thread that calls `lose`."""
        self._on_lost = callback

    def lose(self, error: StoreUnavailable) -> None:
        """Stop for this reason; may be called from any thread."""
        log.error("%s", error)
        self._lost = error
        self._on_lost()

    def submit(self, item: Item, on_done: Callback, records: int = 0) -> None:
        """Queue a job; call `on_done` when it is committed or has failed.

        The writer executes jobs without records in the order of submission, and so those with
        records, which give way to the others (`JobQueue`). `on_done` gets the result, the job's
        exception, or StoreUnavailable if the database refuses. Errors of `on_done` are logged.
        """
        if self._closed:
            on_done(StoreUnavailable("the server is stopping"))
        elif self._jobs.waiting(records) >= COMMIT_QUEUE_MAX:
            on_done(StoreUnavailable("too many changes wait for the disk; try again in a moment"))
        else:
            self._jobs.put(_Job(item, on_done), records)

    def close(self) -> None:
        """Finish the queued jobs, and close the database.

        If the database does not answer, this returns after a timeout.
        """
        if not self._closed:
            self._closed = True
            self._jobs.close()
        self._thread.join(STORE_STOP_TIMEOUT_S)
        if self._thread.is_alive():
            log.error("the database does not answer; the server stops without closing it")

    def _run(self) -> None:
        try:
            while (group := self._jobs.take(SESSION_CHECK_INTERVAL_S)) is not None:
                try:
                    if group:
                        self._process(group)
                    self._check_session_regularly()
                except Exception:
                    log.exception("the results of a group of changes could not be reported")
            self._resolve_at_end()
        finally:
            # A SQLite connection has to be closed on its own thread; the last one checkpoints.
            self._engine.dispose()
            self._work.on_end()

    def _process(self, group: _Group[Item]) -> None:
        self._resolve_unknown()
        if self._lost:
            self._report_refusal(group, self._lost)
        elif self._unknown:
            self._report_refusal(
                group,
                StoreUnavailable(
                    "nothing was changed, because the database does not answer; the server "
                    "continues when the database answers again"
                ),
            )
        else:
            self._execute_group(group)

    def _execute_group(self, group: _Group[Item]) -> None:
        items = [job.item for job in group]
        try:
            try:
                outcomes = self._execute(items, careful=False)
            except GroupConflict:
                outcomes = self._execute(items, careful=True)
        except _OutcomeUnknown as unknown:
            self._unknown = group, unknown
            self._resolve_unknown()
        except SessionLost as error:
            self.lose(error)
            self._report_refusal(group, error)
        except (OperationalError, InterfaceError) as error:
            # The database is locked, full or gone, so each job by itself would fail too.
            self._report_refusal(group, _refusal(reason_of(error)))
        except Exception as error:  # noqa: BLE001 - its caller gets it
            if len(group) > 1:
                for job in group:
                    self._process([job])
            else:
                known = isinstance(error, SQLAlchemyError)
                self._report(group, [_refusal(reason_of(error)) if known else error])
        else:
            self._report(group, outcomes)

    def _execute(self, items: Sequence[Item], *, careful: bool) -> list[object]:
        started = time.perf_counter()
        try:
            return self._committed(items, careful)
        finally:
            self._on_transaction(time.perf_counter() - started)

    def _committed(self, items: Sequence[Item], careful: bool) -> list[object]:
        with self._engine.connect() as connection, connection.begin() as transaction:
            execution = self._work.execute(connection, items, careful)
            try:
                transaction.commit()
            except SQLAlchemyError as error:
                if execution.fence is None:
                    raise
                raise _OutcomeUnknown(execution, error) from error
        execution.committed()
        return execution.outcomes

    def _resolve_unknown(self) -> None:
        """Find out whether a transaction was committed whose COMMIT was not answered."""
        if not self._unknown:
            return
        group, unknown = self._unknown
        try:
            with self._engine.begin() as connection:
                was_committed = self._work.was_committed(connection, unknown.execution)
        except SessionLost as error:
            self.lose(error)
            self._report_refusal(group, error)
        except SQLAlchemyError:
            return
        else:
            if was_committed:
                unknown.execution.committed()
                self._report(group, unknown.execution.outcomes)
            else:
                self._report_refusal(group, _refusal(str(unknown)))
        self._unknown = None

    def _check_session_regularly(self) -> None:
        now = time.monotonic()
        if self._lost or now - self._checked_at < SESSION_CHECK_INTERVAL_S:
            return
        self._resolve_unknown()
        if not self._unknown:
            try:
                self._work.check_session()
            except SessionLost as error:
                self.lose(error)
        self._checked_at = time.monotonic()

    def _resolve_at_end(self) -> None:
        """Resolve an unknown outcome for the last time, or report it as unknown."""
        self._resolve_unknown()
        if self._unknown:
            group, unknown = self._unknown
            self._report_refusal(
                group,
                StoreUnavailable(
                    f"it is unknown whether the change was committed ({unknown}), and the server "
                    "is stopping; check the state when it runs again"
                ),
            )

    def _report_refusal(self, group: _Group[Item], refusal: StoreUnavailable) -> None:
        self._report(group, [refusal] * len(group))

    def _report(self, group: _Group[Item], outcomes: Sequence[object]) -> None:
        if not self._lost:
            self._refusals.record([item for item in outcomes if isinstance(item, StoreUnavailable)])
        self._dispatch(lambda: _report(group, outcomes))


class _Refusals:
    """Logs refused changes: the first at once, and then a summary at intervals."""

    def __init__(self) -> None:
        self._count = 0
        self._logged = float("-inf")

    def record(self, refused: Sequence[StoreUnavailable]) -> None:
        """Record the refusals of a group."""
        self._count += len(refused)
        now = time.monotonic()
        if refused and now - self._logged >= REFUSAL_LOG_INTERVAL_S:
            log.error("changes refused (%d): %s", self._count, refused[-1])
            self._count, self._logged = 0, now
        elif not refused and self._logged > float("-inf"):
            log.warning("changes are committed again (%d more were refused)", self._count)
            self._count, self._logged = 0, float("-inf")


def _refusal(reason: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"nothing was changed, because the database reports: {reason}; the server continues when "
        "the cause is removed (a full disk?)"
    )


def _report(group: Sequence[_Job[Item]], outcomes: Sequence[object]) -> None:
    for job, outcome in zip(group, outcomes, strict=True):
        try:
            job.on_done(outcome)
        except Exception:
            log.exception("the result of a change could not be reported")
