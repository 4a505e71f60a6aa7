"""How tests wait: for events, each with a bound that only a mistake reaches, on any machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import aiohttp

PATIENCE = 30.0
"""Seconds after which what has not come is taken for missing. Machines that tests run on stand
still for seconds now and then."""


async def others_wait_less_than(
    seconds: float,
    http: aiohttp.ClientSession,
    work: Callable[[], Awaitable[object]],
    tries: int = 3,
) -> bool:
    """Whether somebody who asks all the time gets every answer within so many seconds while
    `work()` is done: once in a few tries, since the machine itself may have stood still."""
    for _ in range(tries):
        if await _longest_wait(http, asyncio.ensure_future(work())) < seconds:
            return True
    return False


async def _longest_wait(http: aiohttp.ClientSession, doing: asyncio.Future[object]) -> float:
    longest = 0.0
    while not doing.done():
        started = time.perf_counter()
        async with http.get("/healthz") as response:
            assert response.status == 200
        longest = max(longest, time.perf_counter() - started)
    await doing
    return longest
