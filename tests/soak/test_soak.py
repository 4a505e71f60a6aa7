"""A server under hundreds of clients that come, go without a word, and stop reading.

SOAK_SECONDS is how long each lasts, SOAK_SEED what they do.
"""

import asyncio
import contextlib
import json
import os
import random
import time

import aiohttp
import pytest

from tests.conftest import server_running
from tests.server.test_limits import stalled

SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
SEED = int(os.environ.get("SOAK_SEED", str(random.randrange(10**6))))
SOCKETS = 500
STALLED = 200
PARTICIPANTS = 100
PATIENCE = 30.0

pytestmark = pytest.mark.soak


@pytest.fixture
async def crowded(tmp_path):
    """A running study with participants, and a client for it."""
    study = tmp_path / "study.toml"
    study.write_text(
        "".join(
            f'[[blocks]]\nname = "B{n}"\nconfig = {{ text = "{"x" * 2000}" }}\n' for n in range(20)
        ),
        encoding="utf-8",
    )
    with server_running(study) as server:
        async with aiohttp.ClientSession(
            server.url, connector=aiohttp.TCPConnector(limit=0)
        ) as http:
            for _ in range(PARTICIPANTS - 1):
                async with http.put("/api/new-participant") as response:
                    assert response.status == 200
            yield http
        assert "Traceback" not in server.errors, server.errors[-3000:]


async def figures(http):
    async with http.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")
    }


async def until(http, wanted):
    """Wait until the figures are as wanted."""

    async def wait():
        while not wanted(await figures(http)):
            pass

    await asyncio.wait_for(wait(), PATIENCE)


class Counts:
    def __init__(self):
        self.connected = self.asked = self.acknowledged = 0


async def come_and_go(http, number, until_then, counts):
    choice = random.Random(SEED * 1000 + number)
    while time.monotonic() < until_then:
        participant = choice.randint(1, PARTICIPANTS)
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            ws = await http.ws_connect("/socket.io/?EIO=4&transport=websocket")
            await ws.receive(PATIENCE)
            await ws.send_str("40" + json.dumps({"participant": participant}))
            counts.connected += 1
            for ask in range(choice.randint(0, 5)):
                operation = choice.choice(["move-to-next", "move-to-previous"])
                await ws.send_str(f'42{ask}["{operation}"]')
                counts.asked += 1
                while not (heard := await ws.receive(PATIENCE)).data.startswith(f"43{ask}["):
                    if heard.data == "2":
                        await ws.send_str("3")
                counts.acknowledged += '"ok":true' in heard.data
                await asyncio.sleep(choice.random())
            if choice.random() < 0.5:
                await ws.close()
            else:
                # The battery is empty, or the headset has left the Wi-Fi.
                ws._response.connection.transport.abort()


async def test_five_hundred_sockets_that_vanish_leave_nothing_behind(crowded):
    before = await figures(crowded)
    counts = Counts()
    until_then = time.monotonic() + SECONDS
    await asyncio.gather(
        *(come_and_go(crowded, number, until_then, counts) for number in range(SOCKETS))
    )
    await until(crowded, lambda now: now["experiment_server_sockets_apps"] == 0)
    # A ping that is still to be sent ends within its interval of 25 seconds.
    allowed = before["experiment_server_tasks"] + 5
    await until(crowded, lambda now: now["experiment_server_tasks"] <= allowed)
    after = await figures(crowded)
    assert after["process_open_fds"] <= before["process_open_fds"] + 5
    async with crowded.get("/api/participants") as response:
        rows = await response.json()
    assert len(rows) == PARTICIPANTS
    assert {row["connected"] for row in rows} == {0}
    moved = after['experiment_server_operations_total{door="participant",operation="move-to-next"'
                  ',outcome="ok"}']  # fmt: skip
    moved += after['experiment_server_operations_total{door="participant",operation='
                   '"move-to-previous",outcome="ok"}']  # fmt: skip
    assert counts.acknowledged <= moved <= counts.asked
    print(
        f"\nSOAK_SEED={SEED}: {counts.connected} connections, {counts.acknowledged} moves; memory "
        f"{before['process_resident_memory_bytes'] / 1e6:.0f} MB before, "
        f"{after['process_resident_memory_bytes'] / 1e6:.0f} MB after"
    )


async def test_two_hundred_that_never_read_hold_up_nobody(crowded):
    streams = [await stalled(str(crowded._base_url)) for _ in range(STALLED)]
    reader = await crowded.ws_connect("/socket.io/?EIO=4&transport=websocket")
    await reader.receive(PATIENCE)
    await reader.send_str('40{"participant":1}')
    heard = moves = 0
    memory = []
    until_then = time.monotonic() + SECONDS
    while time.monotonic() < until_then:
        async with crowded.post(f"/api/move-to-block/1/{moves % 20}") as response:
            assert response.status == 200
        moves += 1
        while (
            f'"block_id":{(moves - 1) % 20},' not in (told := await reader.receive(PATIENCE)).data
        ):
            if told.data == "2":
                await reader.send_str("3")
        heard += 1
        if moves % 100 == 0:
            memory.append((await figures(crowded))["process_resident_memory_bytes"])
    assert heard == moves
    await until(crowded, lambda now: now["experiment_server_sockets_apps"] == 1)
    half = len(memory) // 2
    print(
        f"\n{moves} moves, each heard; memory {min(memory) / 1e6:.0f} to {max(memory) / 1e6:.0f} MB"
    )
    # Once the stalled are gone it does not grow: the log's pages and the caches have settled.
    assert max(memory[half:]) < 1.2 * max(memory[:half])
    await reader.close()
    for stream in streams:
        stream.close()
