"""Idempotency keys: a repeated request is executed once and gets the same answer each time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TypeVar
from weakref import WeakValueDictionary

from experiment_server.errors import KeyReused, StoreUnavailable
from experiment_server.limits.session import IDEMPOTENCY_SWEEP_INTERVAL_S
from experiment_server.session.requests import Request
from experiment_server.store.commits import Commit
from experiment_server.store.replies import Reply, Scope
from experiment_server.store.store import Store
from experiment_server.wire.encoding import from_json, to_json

Result = TypeVar("Result")


class Idempotency:
    """Answers a repeated request with its first result.

    The result is durable, because `reply` is part of the same commit as the change. The store keeps
    the data that the answer is made from: a participant's state instead of the snapshot.
    """

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        # A lock exists while a request holds it or waits for it.
        self._locks: WeakValueDictionary[Scope, asyncio.Lock] = WeakValueDictionary()

    def once(
        self, request: Request, kind: type[Result]
    ) -> AbstractAsyncContextManager[Result | None]:
        """Yield the stored result of the same request, as a `kind`; None if the request is new.

        While the context is open, other requests with this key wait, and then get the same result.
        Raises KeyReused if the key was used for a different request.
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
        """The reply to commit with a request's change; None if the request has no key."""
        scope = _scope(request)
        if scope is None:
            return None
        return Reply(scope, request.fingerprint, to_json(result), self._clock())

    async def store_reply(self, request: Request, result: object) -> None:
        """Commit the result of a request whose change is durable already."""
        reply = self.reply(request, result)
        if reply:
            await asyncio.wrap_future(self._store.commit(Commit(reply=reply)))

    async def sweep(self) -> None:
        """Delete old replies at intervals, until cancelled."""
        while True:
            # An unavailable store is reported by the next change.
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
            f"the key {request.key!r} was used for another {request.operation} before; nothing was "
            "done. Use a new key for each request, and the same key only to repeat that request"
        )
