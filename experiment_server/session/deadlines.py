"""The timeouts of commits. Those of participants have one timer, since all are equally long."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

from experiment_server.errors import StoreUnavailable
from experiment_server.limits.store import COMMIT_TIMEOUT_S

Result = TypeVar("Result")


async def within_commit_timeout(commit: asyncio.Future[Result], advice: str) -> Result:
    """The result of a commit; raises StoreUnavailable with the advice if it takes too long.

    The commit itself goes on, also if the caller is cancelled.
    """
    done, _ = await asyncio.wait([commit], timeout=COMMIT_TIMEOUT_S)
    if not done:
        raise StoreUnavailable(f"the database has not answered yet; {advice}")
    return commit.result()


class CommitDeadlines(Generic[Result]):
    """Fails the requests whose commits take too long.

    Such a commit may still succeed. Then it is published, and a repeated request gets its answer.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[float, asyncio.Future[Result]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, future: asyncio.Future[Result]) -> None:
        """Set StoreUnavailable as a future's error if its commit is not done within the timeout."""
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
                        "the database has not answered in time, so the change may or may not be "
                        "made; read the state, or repeat the request with the same idempotency key"
                    )
                )

    def _drop_done(self) -> None:
        # Commits end in the order in which they begin, so few finished ones stay in the queue.
        while self._waiting and self._waiting[0][1].done():
            self._waiting.popleft()
