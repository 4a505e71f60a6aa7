"""The queue of jobs for the writer thread."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Job = TypeVar("Job")


class JobQueue(Generic[Job]):
    """A first-in-first-out queue, from which one thread takes many jobs at a time.

    `put` wakes that thread. With `set_wake_scheduler`, jobs of an event loop wake it once in each
    iteration of the loop. Otherwise the thread and the loop would exchange the interpreter lock for
    each job.
    """

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self._wakes: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._closed = False
        self._schedule: Callable[[Callable[[], None]], object] | None = None
        self._loop_thread = 0
        self._is_waking = False

    def __len__(self) -> int:
        return len(self._jobs)

    def set_wake_scheduler(self, schedule: Callable[[Callable[[], None]], object]) -> None:
        """Wake the reader by calls of `schedule`, for jobs from the calling thread.

        `schedule` takes a function, and calls it after the work that the thread has scheduled.
        """
        self._schedule, self._loop_thread = schedule, threading.get_ident()

    def put(self, job: Job) -> None:
        """Append a job."""
        self._jobs.append(job)
        if self._schedule is None or threading.get_ident() != self._loop_thread:
            self._wake()
        elif not self._is_waking:
            self._is_waking = True
            self._schedule(self._wake)

    def close(self) -> None:
        """End the reader after it has taken all jobs."""
        self._closed = True
        self._wake()

    def take(self, maximum: int, timeout: float) -> list[Job] | None:
        """Take the first jobs; empty after a timeout in seconds, None at the end."""
        try:
            self._wakes.get(timeout=timeout)
        except queue.Empty:
            return []
        taken: list[Job] = []
        while self._jobs and len(taken) < maximum:
            taken.append(self._jobs.popleft())
        if self._jobs or (self._closed and taken):
            self._wakes.put(None)
        return None if self._closed and not taken else taken

    def _wake(self) -> None:
        self._is_waking = False
        self._wakes.put(None)
