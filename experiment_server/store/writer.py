"""The one thread that talks to the database.

Work that waits is done in groups: one transaction, one flush to the disk for all of them, and
only then are they told. Where a piece of work fails, it alone is told so: the others of its group
are done again, each in a transaction of its own. Where the database fails, all of them are told
that nothing was kept; where the answer to a COMMIT was lost, nobody is told anything before the
database has said what became of it. Whatever is raised, the thread goes on.
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
from experiment_server.limits import (
    COMMIT_GROUP_MAX,
    COMMIT_QUEUE_MAX,
    REFUSAL_LOG_INTERVAL_S,
    SESSION_CHECK_INTERVAL_S,
    STORE_STOP_TIMEOUT_S,
)
from experiment_server.store.database import reason_of
from experiment_server.store.jobs import JobQueue

log = logging.getLogger(__name__)

Item = TypeVar("Item")


class Performed(Struct):
    """A group of work that was done in a transaction, which is not committed yet.

    `outcomes` is what each piece came to, an exception for one that failed alone; `committed` is
    called once the transaction is. `fence` is what the database says then, and not before; None
    where nothing was to be kept.
    """

    outcomes: list[object]
    committed: Callable[[], None] = lambda: None
    fence: str | None = None


@dataclass(frozen=True, slots=True)
class Work(Generic[Item]):
    """What a writer does, all of it on its own thread.

    `perform` does a group in the transaction of the connection; its flag asks to be careful, and to
    do each piece by itself. `kept` says whether a group was committed whose COMMIT was not
    answered; `watch` looks every now and then whether the session is still ours. These three raise
    SessionLost if it is not. `ended` is called last.
    """

    perform: Callable[[Connection, Sequence[Item], bool], Performed]
    kept: Callable[[Connection, Performed], bool]
    watch: Callable[[], None]
    ended: Callable[[], None]


class Contradiction(Exception):
    """Something in a group does not fit; the group is to be done again, piece by piece."""


Done = Callable[[Any], None]
"""Told what a piece of work came to: what it returned once that is committed, or an exception."""


@dataclass(slots=True)
class _Job(Generic[Item]):
    item: Item
    done: Done


_Group = Sequence[_Job[Item]]


class _Undecided(Exception):
    """The answer to a COMMIT was lost."""

    def __init__(self, performed: Performed, error: SQLAlchemyError) -> None:
        super().__init__(reason_of(error))
        self.performed = performed


class Writer(Generic[Item]):
    """Does work in grouped transactions on a thread of its own."""

    def __init__(self, engine: Engine, work: Work[Item]) -> None:
        self._engine = engine
        self._work = work
        self._jobs: JobQueue[_Job[Item]] = JobQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._closed = False
        self._lost: StoreUnavailable | None = None
        self._undecided: tuple[_Group[Item], _Undecided] | None = None
        self._watched = time.monotonic()
        self._refusals = _Refusals()
        self._timed: Callable[[float], None] = lambda _seconds: None
        self._deliver: Callable[[Callable[[], None]], object] = lambda deliver: deliver()
        self._tell_lost: Callable[[], object] = lambda: None
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How much work waits."""
        return len(self._jobs)

    @property
    def lost(self) -> StoreUnavailable | None:
        """Why nothing more is done, None as long as the session is ours and can be kept."""
        return self._lost

    def on_commit(self, timed: Callable[[float], None]) -> None:
        """Have `timed` told how many seconds each transaction took."""
        self._timed = timed

    def wake_with(self, later: Callable[[Callable[[], None]], object]) -> None:
        """Have work of the caller's thread begun by calls to `later`, see `JobQueue.wake_with`."""
        self._jobs.wake_with(later)

    def deliver_with(self, deliver: Callable[[Callable[[], None]], object]) -> None:
        """Have who waits for a group told by a call to `deliver`, all of them in one go."""
        self._deliver = deliver

    def on_lost(self, tell: Callable[[], object]) -> None:
        """Have `tell` called, on the writer's thread or that of `lose`, once nothing is done."""
        self._tell_lost = tell

    def lose(self, error: StoreUnavailable) -> None:
        """Do nothing more, for this reason; may be called from any thread."""
        log.error("%s", error)
        self._lost = error
        self._tell_lost()

    def submit(self, item: Item, done: Done) -> None:
        """Do a piece of work, and tell `done` when it is committed, or failed.

        Work is done in the order in which it was submitted. `done` gets what the work raised, or
        StoreUnavailable when the database refuses. What `done` itself raises is logged.
        """
        if self._closed:
            done(StoreUnavailable("the server is stopping"))
        elif len(self._jobs) >= COMMIT_QUEUE_MAX:
            done(StoreUnavailable("too many changes wait for the disk; try again in a moment"))
        else:
            self._jobs.put(_Job(item, done))

    def close(self) -> None:
        """Finish what was submitted, then let the database go.

        A database that does not answer is left to itself.
        """
        if not self._closed:
            self._closed = True
            self._jobs.close()
        self._thread.join(STORE_STOP_TIMEOUT_S)
        if self._thread.is_alive():
            log.error("the database does not answer, so the server stops without it")

    def _run(self) -> None:
        try:
            while (
                group := self._jobs.take(COMMIT_GROUP_MAX, SESSION_CHECK_INTERVAL_S)
            ) is not None:
                try:
                    if group:
                        self._transact(group)
                    self._look_after()
                except Exception:
                    log.exception("a group of changes was not told what it came to")
            self._give_up()
        finally:
            # SQLite wants a connection closed by its own thread; the last one out checkpoints.
            self._engine.dispose()
            self._work.ended()

    def _transact(self, group: _Group[Item]) -> None:
        self._decide()
        if self._lost:
            self._refuse(group, self._lost)
        elif self._undecided:
            self._refuse(
                group,
                StoreUnavailable(
                    "nothing was changed, because the database does not answer; the server goes on "
                    "by itself when it does"
                ),
            )
        else:
            self._try(group)

    def _try(self, group: _Group[Item]) -> None:
        items = [job.item for job in group]
        try:
            try:
                outcomes = self._do(items, careful=False)
            except Contradiction:
                outcomes = self._do(items, careful=True)
        except _Undecided as undecided:
            self._undecided = group, undecided
            self._decide()
        except SessionLost as error:
            self.lose(error)
            self._refuse(group, error)
        except (OperationalError, InterfaceError) as error:
            # The database's own trouble (locked, full, gone): each alone would meet it too.
            self._refuse(group, _refusal(reason_of(error)))
        except Exception as error:  # noqa: BLE001 - its caller is told, and the others go on
            if len(group) > 1:
                for job in group:
                    self._transact([job])
            else:
                known = isinstance(error, SQLAlchemyError)
                self._tell(group, [_refusal(reason_of(error)) if known else error])
        else:
            self._tell(group, outcomes)

    def _do(self, items: Sequence[Item], *, careful: bool) -> list[object]:
        started = time.perf_counter()
        try:
            return self._committed(items, careful)
        finally:
            self._timed(time.perf_counter() - started)

    def _committed(self, items: Sequence[Item], careful: bool) -> list[object]:
        with self._engine.connect() as connection, connection.begin() as transaction:
            performed = self._work.perform(connection, items, careful)
            try:
                transaction.commit()
            except SQLAlchemyError as error:
                if performed.fence is None:
                    raise
                raise _Undecided(performed, error) from error
        performed.committed()
        return performed.outcomes

    def _decide(self) -> None:
        """Ask the database what became of a transaction whose COMMIT it did not answer."""
        if not self._undecided:
            return
        group, undecided = self._undecided
        try:
            with self._engine.begin() as connection:
                kept = self._work.kept(connection, undecided.performed)
        except SessionLost as error:
            self.lose(error)
            self._refuse(group, error)
        except SQLAlchemyError:
            return
        else:
            if kept:
                undecided.performed.committed()
                self._tell(group, undecided.performed.outcomes)
            else:
                self._refuse(group, _refusal(str(undecided)))
        self._undecided = None

    def _look_after(self) -> None:
        now = time.monotonic()
        if self._lost or now - self._watched < SESSION_CHECK_INTERVAL_S:
            return
        self._decide()
        if not self._undecided:
            try:
                self._work.watch()
            except SessionLost as error:
                self.lose(error)
        self._watched = time.monotonic()

    def _give_up(self) -> None:
        """Ask a last time, and say so if nobody knows."""
        self._decide()
        if self._undecided:
            group, undecided = self._undecided
            self._refuse(
                group,
                StoreUnavailable(
                    f"the database did not say whether the change was kept ({undecided}), and the "
                    "server is stopping; look at the state once it runs again"
                ),
            )

    def _refuse(self, group: _Group[Item], refusal: StoreUnavailable) -> None:
        self._tell(group, [refusal] * len(group))

    def _tell(self, group: _Group[Item], outcomes: Sequence[object]) -> None:
        if not self._lost:
            self._refusals.note([item for item in outcomes if isinstance(item, StoreUnavailable)])
        self._deliver(lambda: _tell(group, outcomes))


class _Refusals:
    """Writes into the log what the database refuses: at once, and then every now and then."""

    def __init__(self) -> None:
        self._count = 0
        self._logged = float("-inf")

    def note(self, refused: Sequence[StoreUnavailable]) -> None:
        """A group has ended, with these of it refused."""
        self._count += len(refused)
        now = time.monotonic()
        if refused and now - self._logged >= REFUSAL_LOG_INTERVAL_S:
            log.error("changes refused (%d): %s", self._count, refused[-1])
            self._count, self._logged = 0, now
        elif not refused and self._logged > float("-inf"):
            log.warning("changes are kept again (%d more were refused)", self._count)
            self._count, self._logged = 0, float("-inf")


def _refusal(reason: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"nothing was changed, because the database says: {reason}; when that is put right (a full "
        "disk?), the server goes on by itself"
    )


def _tell(group: Sequence[_Job[Item]], outcomes: Sequence[object]) -> None:
    for job, outcome in zip(group, outcomes, strict=True):
        try:
            job.done(outcome)
        except Exception:
            log.exception("who waited for a change could not be told what it came to")
