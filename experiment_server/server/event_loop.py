"""The event loop that a server runs on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

Result = TypeVar("Result")


def run_loop(main: Coroutine[None, None, Result]) -> Result:
    """Run a coroutine on a loop of its own: uvloop's where it is installed, or else Python's.

    uvloop does the same work with fewer instructions; Windows does not have it.
    """
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.run(main)
    return uvloop.run(main)
