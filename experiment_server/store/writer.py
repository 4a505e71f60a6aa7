"""The one thread that talks to the database.

Work that waits is done in groups: one transaction, one flush to the disk for all of them, and
only then are they told. A piece of work that fails is taken back alone; if the transaction itself
fails, all of its group are told that nothing was kept.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from experiment_server.errors import StoreUnavailable
from experiment_server.limits import COMMITS_GROUPED, COMMITS_WAITING
from experiment_server.store.database import reason_of

Result = TypeVar("Result")
Work = Callable[[Connection], Result]
Seal = Callable[[Connection, list[Any]], Callable[[], None]]


@dataclass(slots=True)
class _Job(Generic[Result]):
    work: Work[Result]
    all_or_nothing: bool
    future: Future[Result] = field(default_factory=Future)


class Writer:
    """Runs work in grouped transactions on a thread of its own.

    `seal` is called at the end of each transaction with all that the work returned or raised; what
    it returns is called once the transaction is committed.
    """

    def __init__(self, engine: Engine, seal: Seal) -> None:
        self._engine = engine
        self._seal = seal
        self._jobs: queue.Queue[_Job[Any] | None] = queue.Queue(maxsize=COMMITS_WAITING)
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._closed = False
        self._thread.start()

    def submit(self, work: Work[Result], *, all_or_nothing: bool = True) -> Future[Result]:
        """Do `work` inside a transaction; the future is done once that is committed.

        Work is done in the order in which it was submitted. The future fails with what the work
        raised, or with StoreUnavailable when the database refuses. `all_or_nothing` may be left
        out for work that writes nothing before it can fail.
        """
        job: _Job[Result] = _Job(work, all_or_nothing)
        if self._closed:
            job.future.set_exception(StoreUnavailable("the server is stopping"))
            return job.future
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            job.future.set_exception(
                StoreUnavailable("too many changes wait for the disk; try again in a moment")
            )
        return job.future

    def close(self) -> None:
        """Finish what was submitted, then let the database go."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
            self._thread.join()

    def _run(self) -> None:
        try:
            while (group := self._next_group()) is not None:
                self._transact(group)
        finally:
            # SQLite wants a connection closed by its own thread; the last one out checkpoints.
            self._engine.dispose()

    def _next_group(self) -> list[_Job[Any]] | None:
        first = self._jobs.get()
        if first is None:
            return None
        group = [first]
        while len(group) < COMMITS_GROUPED:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)
                break
            group.append(job)
        return group

    def _transact(self, group: list[_Job[Any]]) -> None:
        outcomes: list[Any] = []
        try:
            with self._engine.begin() as connection:
                outcomes = [_attempt(connection, job) for job in group]
                committed = self._seal(connection, outcomes)
            committed()
        except SQLAlchemyError as error:
            outcomes = [
                StoreUnavailable(
                    f"nothing was changed, because the database says: {reason_of(error)}; when "
                    "that is put right (a full disk?), the server goes on by itself"
                )
            ] * len(group)
        for job, outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, Exception):
                job.future.set_exception(outcome)
            else:
                job.future.set_result(outcome)


def _attempt(connection: Connection, job: _Job[Any]) -> Any:
    savepoint = connection.begin_nested() if job.all_or_nothing else None
    try:
        result = job.work(connection)
    except SQLAlchemyError:
        raise
    except Exception as error:  # noqa: BLE001 - a bug in one piece of work must not stop the others
        if savepoint:
            savepoint.rollback()
        return error
    if savepoint:
        savepoint.commit()
    return result
