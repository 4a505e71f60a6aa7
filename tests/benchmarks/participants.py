"""The study of the benchmarks, and everybody who takes part in it."""

from __future__ import annotations

import asyncio

import aiohttp

STUDY = "".join(f'[[blocks]]\nname = "block{n}"\nconfig = {{ trials = {n} }}\n' for n in range(3))


def fill(port: int, first: int, last: int) -> None:
    """Add participants to a new server of ours, and bring them into their first block."""
    asyncio.run(_fill(port, first, last))


async def _fill(port: int, first: int, last: int) -> None:
    waiting = iter(range(first, last + 1))

    async def work() -> None:
        for index in waiting:
            if index > 1:  # the first one is there from the start
                await ask(session, "PUT", f"/api/add-participant/{index}")
            await ask(session, "POST", f"/api/move-to-block/{index}/0")

    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        await asyncio.gather(*(work() for _ in range(32)))


async def ask(session: aiohttp.ClientSession, method: str, path: str) -> None:
    """Ask a server; raises RuntimeError if it refuses."""
    async with session.request(method, path) as response:
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status} {await response.text()}")
