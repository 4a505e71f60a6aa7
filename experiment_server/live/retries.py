"""Requests that come again: carried out once, answered every time."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from experiment_server.errors import ExperimentServerError, KeyReused, StoreUnavailable
from experiment_server.flow.export import to_json
from experiment_server.limits import REPLIES_SWEPT
from experiment_server.live.requests import Request
from experiment_server.live.tasks import Tasks
from experiment_server.store.store import Commit, Reply, Scope, Store

Work = Callable[[], Awaitable[Any]]
Again = Callable[[Any], Awaitable[Any]]
"""Makes an answer again out of what was kept of it."""


async def _as_kept(kept: Any) -> Any:
    return kept


class Retries:
    """Answers a repeated request with its first answer, also while that is being worked on.

    The answer is durable, because `reply` becomes part of the commit that it is about.
    """

    def __init__(self, store: Store, tasks: Tasks, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._tasks = tasks
        self._clock = clock
        self._running: dict[Scope, tuple[Request, asyncio.Task[Any]]] = {}

    async def once(self, request: Request, work: Work, again: Again = _as_kept) -> Any:
        """What `work` returns, or returned when the same request came before.

        `again` makes that out of what was given to `reply`.
        Raises KeyReused if the key came with another request.
        """
        scope = _scope(request)
        if scope is None:
            return await work()
        first, task = self._running.get(scope) or (request, None)
        _require_same(request, first.fingerprint)
        if task is None:
            task = self._tasks.start(self._first(scope, request, work, again), "keyed-request")
            self._running[scope] = request, task
            task.add_done_callback(lambda _: self._running.pop(scope))
        # Shielded: who came first may hang up while others wait for the same answer.
        outcome = await asyncio.shield(task)
        if isinstance(outcome, ExperimentServerError):
            raise outcome
        return outcome

    def reply(self, request: Request, kept: Any) -> Reply | None:
        """What has to be committed for a request, None for one without a key.

        `kept` is what the answer can be made from: it stays for a day, for each request.
        """
        scope = _scope(request)
        if scope is None:
            return None
        return Reply(scope, request.fingerprint, to_json(kept), self._clock())

    async def keep(self, request: Request, answer: Any) -> None:
        """Commit the reply to a request whose effect is durable by itself."""
        reply = self.reply(request, answer)
        if reply:
            await asyncio.wrap_future(self._store.commit(Commit(reply=reply)))

    async def sweep(self) -> None:
        """Forget old replies now and again, until cancelled."""
        while True:
            # The next change tells somebody who can do something about it.
            with contextlib.suppress(StoreUnavailable):
                await asyncio.wrap_future(self._store.forget_replies(self._clock()))
            await asyncio.sleep(REPLIES_SWEPT)

    async def _first(self, scope: Scope, request: Request, work: Work, again: Again) -> Any:
        try:
            known = await asyncio.wrap_future(self._store.reply(scope, self._clock()))
            if known is None:
                return await work()
            _require_same(request, known.request)
            return await again(json.loads(known.text))
        except ExperimentServerError as error:
            return error


def _scope(request: Request) -> Scope | None:
    if request.key is None:
        return None
    return Scope(request.operation, request.participant_index, request.key)


def _require_same(request: Request, fingerprint: str) -> None:
    if request.fingerprint != fingerprint:
        raise KeyReused(
            f"the key {request.key!r} came before with another {request.operation}; nothing was "
            "done. Make a new key for each request, and keep it for repeats of that one only"
        )
