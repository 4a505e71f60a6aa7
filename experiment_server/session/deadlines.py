"""Time limits of commits, all of the same length, so that one timer does for all of them."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

from experiment_server.errors import StoreUnavailable
from experiment_server.limits import COMMIT_TIMEOUT_S

Result = TypeVar("Result")


class CommitDeadlines(Generic[Result]):
    """Answers who waits for a commit that takes too long: what becomes of it is not known yet.

    The change may be kept after all: then everybody hears of it, and who repeats it is answered.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[float, asyncio.Future[Result]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, future: asyncio.Future[Result]) -> None:
        """Have a future that waits for a commit fail with StoreUnavailable after the time limit."""
        loop = future.get_loop()
        self._drop_done()
        self._waiting.append((loop.time() + COMMIT_TIMEOUT_S, future))
        if self._timer is None:
            self._timer = loop.call_later(COMMIT_TIMEOUT_S, self._on_timer, loop)

    def _on_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        self._drop_done()
        while self._waiting:
            deadline, future = self._waiting[0]
            if deadline > loop.time():
                self._timer = loop.call_at(deadline, self._on_timer, loop)
                return
            self._waiting.popleft()
            if not future.done():
                future.set_exception(
                    StoreUnavailable(
                        "the database has not answered yet, and whether the change is made will "
                        "be known when it does; ask for the state, or repeat the request with its "
                        "idempotency key"
                    )
                )

    def _drop_done(self) -> None:
        # Commits come to their end in the order in which they began, so that few are kept here.
        while self._waiting and self._waiting[0][1].done():
            self._waiting.popleft()
