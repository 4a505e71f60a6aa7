"""The queue of jobs for the writer thread: records of results, and everything else before them."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from experiment_server.limits.store import (
    COMMIT_GROUP_MAX,
    RECORDS_GROUP_INTERVAL_S,
    RECORDS_GROUP_MAX,
)

Job = TypeVar("Job")


class JobQueue(Generic[Job]):
    """Two first-in-first-out queues, from which one thread takes many jobs of one kind at a time.

    Jobs with records wait in a queue of their own, because nobody waits for their result before
    the next block. They are taken in groups at intervals, at the latest after one group of other
    jobs, so neither kind waits for more than one group of the other.

    `put` wakes the thread. With `set_wake_scheduler`, jobs of an event loop wake it once in each
    iteration of the loop. Otherwise the thread and the loop would exchange the interpreter lock for
    each job.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._quick: deque[Job] = deque()
        self._with_records: deque[tuple[Job, int]] = deque()
        self._records_due = clock()
        self._records_have_waited = False
        self._wakes: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._closed = False
        self._schedule: Callable[[Callable[[], None]], object] | None = None
        self._loop_thread = 0
        self._is_waking = False

    def __len__(self) -> int:
        return len(self._quick) + len(self._with_records)

    def waiting(self, records: int) -> int:
        """The number of jobs in the queue of a job that has so many records."""
        return len(self._with_records if records else self._quick)

    def set_wake_scheduler(self, schedule: Callable[[Callable[[], None]], object]) -> None:
        """Wake the reader by calls of `schedule`, for jobs from the calling thread.

        `schedule` takes a function, and calls it after the work that the thread has scheduled.
        """
        self._schedule, self._loop_thread = schedule, threading.get_ident()

    def put(self, job: Job, records: int = 0) -> None:
        """Append a job; `records` is the number of records that it writes."""
        if records:
            self._with_records.append((job, records))
        else:
            self._quick.append(job)
        if self._schedule is None or threading.get_ident() != self._loop_thread:
            self._wake()
        elif not self._is_waking:
            self._is_waking = True
            self._schedule(self._wake)

    def close(self) -> None:
        """End the reader after it has taken all jobs."""
        self._closed = True
        self._wake()

    def take(self, timeout: float) -> list[Job] | None:
        """Take the next group; empty if none is due within a time in seconds, None at the end."""
        try:
            self._wakes.get(timeout=min(timeout, self._seconds_to_records()))
        except queue.Empty:
            taken = self._take_records()
        else:
            taken = self._take_next()
        if self._quick or (self._closed and taken):
            self._wakes.put(None)
        return None if self._closed and not taken else taken

    def _take_next(self) -> list[Job]:
        due = self._seconds_to_records() == 0
        if self._quick and not (due and self._records_have_waited):
            self._records_have_waited = due
            return [self._quick.popleft() for _ in range(min(len(self._quick), COMMIT_GROUP_MAX))]
        return self._take_records()

    def _take_records(self) -> list[Job]:
        """The next jobs with records if they are due: at least one, and no more than a group."""
        taken: list[Job] = []
        if self._seconds_to_records() > 0:
            return taken
        room = RECORDS_GROUP_MAX
        while self._with_records and (not taken or self._with_records[0][1] <= room):
            job, records = self._with_records.popleft()
            taken.append(job)
            room -= records
        self._records_due = self._clock() + RECORDS_GROUP_INTERVAL_S
        self._records_have_waited = False
        return taken

    def _seconds_to_records(self) -> float:
        """The time until jobs with records are due; infinite if there are none."""
        if not self._with_records:
            return float("inf")
        return 0.0 if self._closed else max(0.0, self._records_due - self._clock())

    def _wake(self) -> None:
        self._is_waking = False
        self._wakes.put(None)
