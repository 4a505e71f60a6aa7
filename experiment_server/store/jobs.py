"""The queue between those who have something written and the one thread that writes."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Job = TypeVar("Job")


class JobQueue(Generic[Job]):
    """Jobs for one thread, in the order in which they were put, taken many at a time.

    That thread is woken when a job is put. For jobs of an event loop it is woken once in each turn
    of the loop (`wake_with`): it has one interpreter lock with the loop, and each job by itself
    would have the two take it from each other.
    """

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self._wakes: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._closed = False
        self._later: Callable[[Callable[[], None]], object] | None = None
        self._loop_thread = 0
        self._is_waking = False

    def __len__(self) -> int:
        return len(self._jobs)

    def wake_with(self, later: Callable[[Callable[[], None]], object]) -> None:
        """Have the reader woken by calls to `later`, for jobs that come from the caller's thread.

        `later` calls what it is given after all that the thread is about to do.
        """
        self._later, self._loop_thread = later, threading.get_ident()

    def put(self, job: Job) -> None:
        """Put a job at the end."""
        self._jobs.append(job)
        if self._later is None or threading.get_ident() != self._loop_thread:
            self._wake()
        elif not self._is_waking:
            self._is_waking = True
            self._later(self._wake)

    def close(self) -> None:
        """Let the reader come to an end when it has taken all jobs."""
        self._closed = True
        self._wake()

    def take(self, most: int, timeout: float) -> list[Job] | None:
        """The first jobs, empty if none came within so many seconds; None at the end."""
        try:
            self._wakes.get(timeout=timeout)
        except queue.Empty:
            return []
        taken: list[Job] = []
        while self._jobs and len(taken) < most:
            taken.append(self._jobs.popleft())
        if self._jobs or (self._closed and taken):
            self._wakes.put(None)
        return None if self._closed and not taken else taken

    def _wake(self) -> None:
        self._is_waking = False
        self._wakes.put(None)
