"""Requests that come again: carried out once, answered every time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import ParamSpec, TypeVar

from experiment_server.errors import ExperimentServerError, KeyReused, StoreUnavailable
from experiment_server.limits import REPLIES_SWEPT
from experiment_server.session.requests import Request
from experiment_server.session.tasks import Tasks
from experiment_server.store.commits import Commit
from experiment_server.store.replies import Reply, Scope
from experiment_server.store.store import Store
from experiment_server.wire.encoding import from_json, to_json

P = ParamSpec("P")
Result = TypeVar("Result")

Outcome = tuple[object, ExperimentServerError | None]


class Idempotency:
    """Answers a repeated request with its first result, also while that is being worked on.

    A result is durable, because `reply` becomes part of the commit that it is about. What is kept
    is what the answer is made from: a participant's state rather than their whole snapshot.
    """

    def __init__(self, store: Store, tasks: Tasks, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._tasks = tasks
        self._clock = clock
        self._running: dict[Scope, tuple[Request, asyncio.Task[Outcome]]] = {}

    async def once(
        self,
        request: Request,
        kind: type[Result],
        work: Callable[P, Awaitable[Result]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Result:
        """What `work` returns, or returned when the same request came before, as a `kind`.

        Raises KeyReused if the key came with another request.
        """
        scope = _scope(request)
        if scope is None:
            return await work(*args, **kwargs)
        first, task = self._running.get(scope) or (request, None)
        _require_same(request, first.fingerprint)
        if task is None:
            task = self._tasks.start(
                self._first(scope, request, kind, partial(work, *args, **kwargs)), "keyed-request"
            )
            self._running[scope] = request, task
            task.add_done_callback(lambda _: self._running.pop(scope))
        # Shielded: who came first may hang up while others wait for the same answer.
        result, error = await asyncio.shield(task)
        if error is not None:
            raise error
        return result  # type: ignore[return-value]

    def reply(self, request: Request, result: object) -> Reply | None:
        """What has to be committed for a request, None for one without a key."""
        scope = _scope(request)
        if scope is None:
            return None
        return Reply(scope, request.fingerprint, to_json(result), self._clock())

    async def keep(self, request: Request, result: object) -> None:
        """Commit the result of a request whose effect is durable by itself."""
        reply = self.reply(request, result)
        if reply:
            await asyncio.wrap_future(self._store.commit(Commit(reply=reply)))

    async def sweep(self) -> None:
        """Forget old replies now and again, until cancelled."""
        while True:
            # The next change tells somebody who can do something about it.
            with contextlib.suppress(StoreUnavailable):
                await asyncio.wrap_future(self._store.forget_replies(self._clock()))
            await asyncio.sleep(REPLIES_SWEPT)

    async def _first(
        self,
        scope: Scope,
        request: Request,
        kind: type[Result],
        work: Callable[[], Awaitable[Result]],
    ) -> Outcome:
        try:
            known = await asyncio.wrap_future(self._store.reply(scope, self._clock()))
            if known is None:
                return await work(), None
            _require_same(request, known.request)
            return from_json(known.text, kind), None
        except ExperimentServerError as error:
            return None, error


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
