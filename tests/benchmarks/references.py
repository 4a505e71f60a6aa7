"""Servers to compare with: aiohttp alone, and python-socketio on aiohttp alone.

Both run on the event loop that our server runs on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import socketio
from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[2]))

from experiment_server.server.event_loop import run_loop

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def announced(command: list[str]) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A server in a process of its own, and the words that it prints once it answers."""
    # Node may be a script that starts the real one: both are in a session of their own, and end.
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    )
    assert process.stdout is not None
    try:
        words = process.stdout.readline().split()
        if not words:
            raise RuntimeError(f"{command} did not start")
        yield process, words
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@contextlib.contextmanager
def reference(kind: str) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    """The process, the port and the event loop of a reference: "aiohttp" or "socketio"."""
    with announced([sys.executable, __file__, kind]) as (process, (port, loop)):
        yield process, int(port), loop


def aiohttp_alone() -> web.Application:
    """Handlers that answer with a JSON object, as a participant's config is one."""

    async def config(_request: web.Request) -> web.Response:
        return web.json_response(
            {"trials": 1, "participant_index": 1, "name": "block1", "block_id": 1}
        )

    async def move(_request: web.Request) -> web.Response:
        return web.json_response(1)

    app = web.Application()
    app.router.add_get("/api/config/{participant_index}", config)
    app.router.add_post("/api/move-to-block/{participant_index}/{block_id}", move)
    return app


def socketio_alone() -> web.Application:
    """A Socket.IO server that puts everybody into a room of their own, and nothing else."""
    server = socketio.AsyncServer(async_mode="aiohttp")
    app = web.Application()
    server.attach(app)

    @server.event  # type: ignore[untyped-decorator]
    async def connect(sid: str, _environ: object, auth: dict[str, int]) -> None:
        await server.enter_room(sid, f"participant:{auth['participant']}")
        await server.emit("state", {"participant_index": auth["participant"]}, to=sid)

    return app


async def serve(app: web.Application) -> None:
    """Serve, and print the port and the loop."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096)
    await site.start()
    print(
        runner.addresses[0][1], type(asyncio.get_running_loop()).__module__.split(".")[0],
        flush=True,
    )  # fmt: skip
    await asyncio.Event().wait()


if __name__ == "__main__":
    run_loop(serve({"aiohttp": aiohttp_alone, "socketio": socketio_alone}[sys.argv[1]]()))
