"""Readiness: a trial write shows whether the database accepts changes."""

from __future__ import annotations

import asyncio
import time

from experiment_server.errors import StoreUnavailable
from experiment_server.limits.store import READINESS_CACHE_S, READINESS_TIMEOUT_S
from experiment_server.store.commits import Commit, Written
from experiment_server.store.store import Store


class Readiness:
    """Checks readiness with a trial write. Concurrent and frequent checks share one write."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._trial: asyncio.Future[Written] | None = None
        self._since = float("-inf")

    async def problem(self) -> str | None:
        """The reason why the database accepts no changes, None if it accepts them."""
        trial = self._trial
        if trial is None or (trial.done() and time.monotonic() - self._since > READINESS_CACHE_S):
            # An empty commit writes the unchanged head of the log to the disk.
            trial = self._trial = asyncio.wrap_future(self._store.commit(Commit()))
            self._since = time.monotonic()
        await asyncio.wait((trial,), timeout=READINESS_TIMEOUT_S)
        if not trial.done():
            return "the database does not answer"
        error = trial.exception()
        if error is None:
            return None
        if isinstance(error, StoreUnavailable):
            return "the database accepts no changes; the server's log says why"
        raise error
