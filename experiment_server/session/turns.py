"""Splits long work on the event loop, so that other tasks run in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

from experiment_server.limits.session import LOOP_TURN_S

Item = TypeVar("Item")


async def in_turns(items: Iterable[Item]) -> AsyncIterator[Item]:
    """Yield the items; let other tasks run each time the work has taken `LOOP_TURN_S`."""
    began = time.monotonic()
    for item in items:
        yield item
        if time.monotonic() - began > LOOP_TURN_S:
            await asyncio.sleep(0)
            began = time.monotonic()
