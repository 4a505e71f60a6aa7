"""Requests that come again: carried out once, answered every time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TypeVar
from weakref import WeakValueDictionary

from experiment_server.errors import KeyReused, StoreUnavailable
from experiment_server.limits import IDEMPOTENCY_SWEEP_INTERVAL_S
from experiment_server.session.requests import Request
from experiment_server.store.commits import Commit
from experiment_server.store.replies import Reply, Scope
from experiment_server.store.store import Store
from experiment_server.wire.encoding import from_json, to_json

Result = TypeVar("Result")


class Idempotency:
    """Answers a repeated request with its first result.

    A result is durable, because `reply` becomes part of the commit that it is about. What is kept
    is what the answer is made from: a participant's state rather than their whole snapshot.
    """

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        # Each is kept for as long as a request holds it, or waits for it.
        self._locks: WeakValueDictionary[Scope, asyncio.Lock] = WeakValueDictionary()

    def once(
        self, request: Request, kind: type[Result]
    ) -> AbstractAsyncContextManager[Result | None]:
        """Give what was answered to the same request before, as a `kind`; None if it is new.

        For as long as the context lasts, no other request with this key is carried out: one that
        comes meanwhile waits, and gets the first one's answer. Raises KeyReused if the key came
        with another request.
        """
        scope = _scope(request)
        if scope is None:
            return contextlib.nullcontext()
        return self._once(scope, request, kind)

    @contextlib.asynccontextmanager
    async def _once(
        self, scope: Scope, request: Request, kind: type[Result]
    ) -> AsyncIterator[Result | None]:
        lock = self._locks.setdefault(scope, asyncio.Lock())
        async with lock:
            known = await asyncio.wrap_future(self._store.reply(scope, self._clock()))
            if known is None:
                yield None
                return
            _require_same(request, known.request)
            yield from_json(known.text, kind)

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
            await asyncio.sleep(IDEMPOTENCY_SWEEP_INTERVAL_S)


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
