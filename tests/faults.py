"""A network that fails: a TCP proxy that cuts, delays, holds back and loses what it carries."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from tests.waiting import PATIENCE

_PIECE = 65536


class Proxy:
    """Carries TCP connections to a server, on a loop and a thread of its own.

    It works beside whatever the test blocks. Use it as a context; connect to `host` and `port`.
    """

    host = "127.0.0.1"
    port = 0
    url = ""
    """The address of what is behind it, with the proxy's own host and port; set by who knows it."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._delay = 0.0
        self._lose_request: bytes | None = None
        self._lose_answer: bytes | None = None
        self._hold_when_lost = False
        self.lost = threading.Event()
        """Set once something was lost as asked."""

    def __enter__(self) -> Proxy:
        self._thread.start()
        self._call(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def hold(self) -> None:
        """Become a black hole: connections stay, new ones are taken, and nothing goes through."""
        self._do(self._flows.clear)

    def release(self) -> None:
        """Let everything through again, also what was held."""
        self._do(self._flows.set)

    def cut(self) -> None:
        """Reset all connections; new ones are taken."""
        self._do(self._abort)

    def delay(self, seconds: float) -> None:
        """Have every piece of data wait for so long."""
        self._delay = seconds

    def lose_request(self, marker: bytes) -> None:
        """Cut the next connection whose client says this, before the server hears of it."""
        self.lost.clear()
        self._lose_request = marker

    def lose_answer(self, marker: bytes) -> None:
        """Cut the next connection whose client says this, once the server has answered."""
        self.lost.clear()
        self._lose_answer = marker

    def hold_when_lost(self) -> None:
        """Become a black hole in the moment in which something is lost as asked."""
        self._hold_when_lost = True

    async def _start(self) -> None:
        self._flows.set()
        self._server = await asyncio.start_server(self._connected, self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._server.close()
        self._abort()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others:
                task.cancel()
            await asyncio.wait(others)
        for _ in range(3):  # what was aborted is closed in the loop's next rounds
            await asyncio.sleep(0)

    async def _connected(self, here: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        self._writers.add(back)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._carry(here, back)
        finally:
            self._writers.discard(back)
            back.transport.abort()

    async def _carry(self, here: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        await self._flows.wait()
        answers, there = await asyncio.open_connection(*self._target)
        self._writers.add(there)
        said: list[bytes] = []
        ways = [
            asyncio.create_task(self._pass_on(here, there, said, self._heed)),
            asyncio.create_task(self._pass_on(answers, back, said, self._answered)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._writers.discard(there)
            there.transport.abort()

    async def _pass_on(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        said: list[bytes],
        passes: Callable[[bytes, list[bytes]], bool],
    ) -> None:
        while data := await source.read(_PIECE):
            await self._flows.wait()
            if self._delay:
                await asyncio.sleep(self._delay)
            if not passes(data, said):
                if self._hold_when_lost:
                    self._flows.clear()
                self.lost.set()
                return
            target.write(data)
            await target.drain()

    def _heed(self, data: bytes, said: list[bytes]) -> bool:
        said[:] = [data]
        if self._lose_request is not None and self._lose_request in data:
            self._lose_request = None
            return False
        return True

    def _answered(self, _data: bytes, said: list[bytes]) -> bool:
        if self._lose_answer is not None and any(self._lose_answer in data for data in said):
            self._lose_answer = None
            return False
        return True

    def _abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    def _do(self, action: Callable[[], None]) -> None:
        async def act() -> None:
            action()

        self._call(act())

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=PATIENCE)
