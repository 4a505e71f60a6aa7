"""Durable moves a second over 64 connections, as ratios to what aiohttp alone can do.

Run with `make bench`. Each server is a process of its own; they take turns under the same load, and
each one's best round counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.conftest import server_running

CONNECTIONS = 64
BLOCKS = 10
SECONDS = 2.0
ROUNDS = 3
WANTED = {"fast": 0.30, "full": 0.15}


def main() -> None:
    """Print the ratios."""
    asyncio.run(measure())


async def measure() -> None:
    """Let the servers take turns."""
    rates: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        study = Path(folder) / "study.toml"
        study.write_text(
            "".join(
                f'[[blocks]]\nname = "block{number}"\nconfig = {{ trials = {number} }}\n'
                for number in range(BLOCKS)
            ),
            encoding="utf-8",
        )
        loads = {"bare aiohttp": Load(stack.enter_context(bare()), adds=False)}
        for name, options in {
            "memory": ["--database", ":memory:"],
            "fast": ["--database", f"{folder}/fast.db", "--durability", "fast"],
            "full": ["--database", f"{folder}/full.db", "--durability", "full"],
        }.items():
            server = stack.enter_context(server_running(study, *options))
            loads[name] = Load(int(server.url.rpartition(":")[2]), adds=True)
        for _ in range(ROUNDS):
            for name, load in loads.items():
                rates[name] = max(rates.get(name, 0), await load.round())
    reference = rates["bare aiohttp"]
    print(f"move-to-next over {CONNECTIONS} connections, requests a second (share of bare aiohttp)")
    for name, rate in rates.items():
        aim = f"   aim {WANTED[name]:.2f}" if name in WANTED else ""
        print(f"  {name:<14}{rate:8.0f}   {rate / reference:5.3f}{aim}")
    for name in WANTED:
        print(f"  {name} / memory: {rates[name] / rates['memory']:.3f}")


class Load:
    """Moves participants of a server through their blocks, each by one connection."""

    def __init__(self, port: int, *, adds: bool) -> None:
        self._port = port
        self._adds = adds
        self._indices = count(2)

    async def round(self) -> float:
        """Requests a second."""
        waiting = asyncio.Event()
        ready = [asyncio.Event() for _ in range(CONNECTIONS)]
        workers = [asyncio.create_task(self._work(waiting, event)) for event in ready]
        for event in ready:
            await event.wait()
        started = time.perf_counter()
        waiting.set()
        done = sum(await asyncio.gather(*workers))
        return done / (time.perf_counter() - started)

    async def _work(self, begin: asyncio.Event, ready: asyncio.Event) -> int:
        # Added before the clock starts; more than anybody gets through.
        people = [next(self._indices) for _ in range(int(SECONDS * 10))]
        people *= 1 if self._adds else 100
        async with self._connection() as ask:
            if self._adds:
                for index in people:
                    await ask(b"PUT", b"/api/add-participant/%d" % index)
            ready.set()
            await begin.wait()
            end, done = time.perf_counter() + SECONDS, 0
            for index in people:
                for _ in range(BLOCKS):
                    await ask(b"POST", b"/api/move-to-next/%d" % index)
                    done += 1
                    if time.perf_counter() >= end:
                        return done
        raise RuntimeError("everybody is through before the time is; add more participants")

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)

        async def ask(method: bytes, path: bytes) -> None:
            writer.write(b"%s %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % (method, path))
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))

        yield ask
        writer.close()


@contextlib.contextmanager
def bare() -> Iterator[int]:
    """The port of a server that does nothing but answer."""
    receiving, sending = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=serve_bare, args=(sending,), daemon=True)
    process.start()
    yield receiving.recv()
    process.terminate()


def serve_bare(sending) -> None:
    """An aiohttp application with one handler."""

    async def move(_request: web.Request) -> web.Response:
        return web.json_response({"name": "block5"})

    async def run() -> None:
        app = web.Application()
        app.router.add_post("/api/move-to-next/{participant_index}", move)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        sending.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(run())


if __name__ == "__main__":
    main()
