"""The one thread that talks to the database.

Work that waits is done in groups: one transaction, one flush to the disk for all of them, and
only then are they told. Where a piece of work fails, it alone is told so: the others of its group
are done again, each in a transaction of its own. Where the database fails, all of them are told
that nothing was kept. Whatever is raised, the thread goes on.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from experiment_server.errors import StoreUnavailable
from experiment_server.limits import COMMITS_GROUPED, COMMITS_WAITING, STORE_ANSWERS
from experiment_server.store.database import reason_of

log = logging.getLogger(__name__)

Item = TypeVar("Item")

Perform = Callable[[Connection, Sequence[Item], bool], tuple[list[Any], Callable[[], None]]]
"""Does a group of work in one transaction.

Returns what each piece of it came to, an exception for a piece that failed alone, and what is to be
called once the transaction is committed. The flag asks to be careful: each piece by itself.
"""


class Contradiction(Exception):
    """Something in a group does not fit; the group is to be done again, piece by piece."""


Done = Callable[[Any], None]
"""Told what a piece of work came to: what it returned once that is committed, or an exception."""


@dataclass(slots=True)
class _Job(Generic[Item]):
    item: Item
    done: Done


class Writer(Generic[Item]):
    """Does work in grouped transactions on a thread of its own."""

    def __init__(self, engine: Engine, perform: Perform[Item]) -> None:
        self._engine = engine
        self._perform = perform
        self._jobs: queue.SimpleQueue[_Job[Item] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._closed = False
        self._timed: Callable[[float], None] = lambda _seconds: None
        self._deliver: Callable[[Callable[[], None]], Any] = lambda deliver: deliver()
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How much work waits."""
        return self._jobs.qsize()

    def time_with(self, timed: Callable[[float], None]) -> None:
        """Have `timed` told how many seconds each transaction took."""
        self._timed = timed

    def deliver_with(self, deliver: Callable[[Callable[[], None]], Any]) -> None:
        """Have who waits for a group told by a call to `deliver`, all of them in one go."""
        self._deliver = deliver

    def submit(self, item: Item, done: Done) -> None:
        """Do a piece of work, and tell `done` when it is committed, or failed.

        Work is done in the order in which it was submitted. `done` gets what the work raised, or
        StoreUnavailable when the database refuses. What `done` itself raises is logged.
        """
        if self._closed:
            done(StoreUnavailable("the server is stopping"))
        elif self._jobs.qsize() >= COMMITS_WAITING:
            done(StoreUnavailable("too many changes wait for the disk; try again in a moment"))
        else:
            self._jobs.put(_Job(item, done))

    def close(self) -> bool:
        """Finish what was submitted, then let the database go; False if that takes too long.

        The database then does not answer, and what waits for it is not kept.
        """
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        self._thread.join(STORE_ANSWERS)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while (group := self._next_group()) is not None:
                try:
                    self._transact(group)
                except Exception:
                    log.exception("a group of changes was not told what it came to")
        finally:
            # SQLite wants a connection closed by its own thread; the last one out checkpoints.
            self._engine.dispose()

    def _next_group(self) -> list[_Job[Item]] | None:
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

    def _transact(self, group: Sequence[_Job[Item]]) -> None:
        started = time.perf_counter()
        outcomes = self._outcomes([job.item for job in group])
        self._timed(time.perf_counter() - started)
        self._deliver(lambda: _tell(group, outcomes))

    def _outcomes(self, items: Sequence[Item]) -> list[Any]:
        """What each piece of a group came to. Never raises."""
        try:
            try:
                return self._do(items, careful=False)
            except Contradiction:
                return self._do(items, careful=True)
        except (OperationalError, InterfaceError) as error:
            # The database's own trouble (locked, full, gone): each alone would meet it too.
            return [_refusal(error)] * len(items)
        except Exception as error:  # noqa: BLE001 - its caller is told, and the others go on
            if len(items) == 1:
                return [_refusal(error) if isinstance(error, SQLAlchemyError) else error]
        return [outcome for item in items for outcome in self._outcomes([item])]

    def _do(self, items: Sequence[Item], *, careful: bool) -> list[Any]:
        with self._engine.begin() as connection:
            outcomes, committed = self._perform(connection, items, careful)
        committed()
        return outcomes


def _tell(group: Sequence[_Job[Any]], outcomes: Sequence[Any]) -> None:
    for job, outcome in zip(group, outcomes, strict=True):
        try:
            job.done(outcome)
        except Exception:
            log.exception("who waited for a change could not be told what it came to")


def _refusal(error: Exception) -> StoreUnavailable:
    return StoreUnavailable(
        f"nothing was changed, because the database says: {reason_of(error)}; when that is put "
        "right (a full disk?), the server goes on by itself"
    )
