"""The event loop that a server runs on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

Result = TypeVar("Result")


def run_loop(main: Coroutine[None, None, Result]) -> Result:
    """Run a coroutine on a new event loop: uvloop if it is installed, otherwise asyncio.

    uvloop is faster; it does not exist for Windows.
    """
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.run(main)
    return uvloop.run(main)
