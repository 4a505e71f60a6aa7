"""Whether changes can be kept, found out by a trial write."""

from __future__ import annotations

import asyncio
import time

from experiment_server.errors import StoreUnavailable
from experiment_server.limits import READINESS_CACHE_S, READINESS_TIMEOUT_S
from experiment_server.store.commits import Commit, Written
from experiment_server.store.store import Store


class Readiness:
    """Tries a write now and then, for whoever asks; one try at a time serves all of them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._trial: asyncio.Future[Written] | None = None
        self._since = float("-inf")

    async def problem(self) -> str | None:
        """What keeps the database from taking changes, None if nothing does."""
        trial = self._trial
        if trial is None or (trial.done() and time.monotonic() - self._since > READINESS_CACHE_S):
            # It writes the head of the log as it is, through to the disk.
            trial = self._trial = asyncio.wrap_future(self._store.commit(Commit()))
            self._since = time.monotonic()
        await asyncio.wait((trial,), timeout=READINESS_TIMEOUT_S)
        if not trial.done():
            return "the database does not answer"
        error = trial.exception()
        if error is None:
            return None
        if isinstance(error, StoreUnavailable):
            return "the database takes no changes; the server's log says why"
        raise error
