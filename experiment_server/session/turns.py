"""Long work on the event loop, in pieces: others get their turn between them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

from experiment_server.limits import LOOP_TURN_S

Item = TypeVar("Item")


async def in_turns(items: Iterable[Item]) -> AsyncIterator[Item]:
    """The items; whenever the work on them has taken a turn's time, others go on first."""
    began = time.monotonic()
    for item in items:
        yield item
        if time.monotonic() - began > LOOP_TURN_S:
            await asyncio.sleep(0)
            began = time.monotonic()
