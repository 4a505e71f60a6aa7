"""Apps of all clients record while servers, networks and apps fail at random."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from tests.clients.conformance import Harness, harness
from tests.conftest import server_running
from tests.waiting import PATIENCE

BLOCKS = 40
STUDY = "".join(f'[[blocks]]\nname = "B{number}"\nconfig = {{}}\n' for number in range(BLOCKS))

# In milliseconds; a piece of a stream is late by this on average. A piece ends its connection with
# this probability, and is lost then.
DELAY_MS = 15.0
LOSS = 0.01

# What an app does next, by probability: it is killed, it moves on, and otherwise it records.
KILLED = 0.03
MOVES = 0.10
RECORDS_AT_ONCE = 40

# Between two kills of the server, in seconds.
SERVER_LIVES_S = (0.2, 2.0)

Place = tuple[int, str]
"""A participant's record by its number, and the name of its block."""


class BadNetwork:
    """A proxy that delays what it passes, and ends connections, also in the middle of an answer."""

    def __init__(self, port: int, chance: random.Random) -> None:
        self._port = port
        self._chance = chance
        self._listening: asyncio.Server | None = None
        self.is_bad = True

    async def __aenter__(self) -> BadNetwork:
        self._listening = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._listening:
            self._listening.close()

    @property
    def url(self) -> str:
        """The address for an app."""
        assert self._listening is not None
        return f"http://127.0.0.1:{self._listening.sockets[0].getsockname()[1]}"

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        with contextlib.suppress(OSError):
            there, through = await asyncio.open_connection("127.0.0.1", self._port)
            writers.append(through)
            ways = (self._pass(reader, through), self._pass(there, writer))
            tasks = [asyncio.ensure_future(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for each in writers:
            each.transport.abort()

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            if self.is_bad:
                await asyncio.sleep(self._chance.expovariate(1000 / DELAY_MS))
                if self._chance.random() < LOSS:
                    return
            target.write(data)
            await target.drain()


@dataclass
class App:
    """One participant's app, which is killed and started again.

    `sure` has the records of which the app was told that they are on the device, by their numbers,
    each with its block. `open` has those of which it was not told, since it was killed meanwhile.
    """

    command: Sequence[str]
    participant: int
    storage: Path
    network: BadNetwork
    chance: random.Random
    next_number: int = 0
    kills: int = 0
    sure: dict[int, str] = field(default_factory=dict)
    open: dict[int, str] = field(default_factory=dict)

    async def record(self, wanted: int) -> None:
        """Record at least as many as wanted, in one life after the other."""
        while len(self.sure) < wanted:
            async with self._running() as client:
                await self._live(client, wanted)

    async def send_rest(self) -> None:
        """Start once more, and send what waits on the device."""
        async with self._running() as client:
            await self._connect(client)
            answer = await self._answer(client, "flush", within=2 * PATIENCE)
            assert answer["state"] == {"unsent": 0}, answer

    @contextlib.asynccontextmanager
    async def _running(self) -> AsyncIterator[Harness]:
        async with harness(*self.command, storage=self.storage) as client:
            yield client

    async def _live(self, client: Harness, wanted: int) -> None:
        block = await self._connect(client)
        while len(self.sure) < wanted:
            fate = self.chance.random()
            if fate < KILLED and block is not None:
                await self._record(client, block, killed=True)
                return
            if block is None or (fate < KILLED + MOVES and block != f"B{BLOCKS - 1}"):
                block = await self._move(client)
                if block is None:
                    return
            else:
                await self._record(client, block)

    async def _connect(self, client: Harness) -> str | None:
        answer = await self._answer(
            client, "connect", url=self.network.url, participant=self.participant
        )
        state = answer["state"]
        return state["block_name"] if 0 <= state["block_id"] < BLOCKS else None

    async def _move(self, client: Harness) -> str | None:
        """The block after a move; None if the move had no answer, and the app ends."""
        answer = await self._answer(client, "next")
        if "state" not in answer:
            await self._kill(client)
            return None
        wanted = {"event": "block", "block_id": answer["state"]["block_id"]}
        await asyncio.wait_for(client.hears(wanted), PATIENCE)
        return str(answer["state"]["block_name"])

    async def _record(self, client: Harness, block: str, *, killed: bool = False) -> None:
        first, count = self.next_number, self.chance.randint(1, RECORDS_AT_ONCE)
        self.next_number += count
        numbers = dict.fromkeys(range(first, first + count), block)
        recorded = client.ask("record", first=first, count=count)
        if killed:
            await asyncio.sleep(self.chance.random() / 100)
            await self._kill(client)
        said = recorded.result() if recorded.done() else {}
        if not killed:
            said = await asyncio.wait_for(recorded, PATIENCE)
            assert "error" not in said, said
        (self.sure if said else self.open).update(numbers)

    async def _kill(self, client: Harness) -> None:
        self.kills += 1
        await client.kill()

    async def _answer(self, client: Harness, do: str, **more: object) -> dict[str, Any]:
        return await asyncio.wait_for(client.ask(do, **more), 4 * PATIENCE)


async def kill_servers(study: Path, port: int, kills: int, chance: random.Random) -> None:
    """Serve a study at a port, and kill the server again and again; then let it be."""
    for _ in range(kills):
        with server_running(study, "--port", str(port)) as server:
            await asyncio.sleep(chance.uniform(*SERVER_LIVES_S))
            server.kill()


async def expect_each_once(url: str, apps: Sequence[App]) -> int:
    """The server has all records of the apps, each once and in its block; returns their number."""
    stored: dict[int, list[Place]] = {app.participant: [] for app in apps}
    async with aiohttp.request("GET", f"{url}/api/results/trials.jsonl") as response:
        assert response.status == 200, await response.text()
        async for line in response.content:
            record = json.loads(line)
            place = record["data"]["i"], record["block_name"]
            stored[record["participant_index"]].append(place)
    for app in apps:
        found = sorted(stored[app.participant])
        numbers = [number for number, _ in found]
        assert len(set(numbers)) == len(numbers), f"participant {app.participant}: some twice"
        missing = app.sure.keys() - set(numbers)
        assert not missing, f"participant {app.participant} misses {sorted(missing)[:20]}"
        expected = {**app.open, **app.sure}
        wrong = [place for place in found if expected[place[0]] != place[1]]
        assert not wrong, f"participant {app.participant}, in another block: {wrong[:20]}"
    return sum(map(len, stored.values()))


async def chaos(
    folder: Path, commands: Sequence[Sequence[str]], records: int, kills: int, seed: int
) -> None:
    """Let an app of each command record, in all at least so many, while everything fails."""
    study = folder / "study.toml"
    study.write_text(STUDY, encoding="utf-8")
    with server_running(study) as server:
        port = urlsplit(server.url).port or 0
        for participant in range(2, len(commands) + 1):
            async with aiohttp.request("PUT", f"{server.url}/api/add-participant/{participant}"):
                pass
    async with contextlib.AsyncExitStack() as stack:
        apps = []
        for participant, command in enumerate(commands, start=1):
            chance = random.Random(f"{seed} {participant}")
            network = await stack.enter_async_context(BadNetwork(port, chance))
            storage = folder / f"device-{participant}"
            storage.mkdir()
            apps.append(App(command, participant, storage, network, chance))
        recording = asyncio.gather(*(app.record(records // len(apps)) for app in apps))
        chance = random.Random(seed)
        await kill_servers(study, port, kills, chance)
        with server_running(study, "--port", str(port)) as server:
            await recording
            for app in apps:
                app.network.is_bad = False
            await asyncio.gather(*(app.send_rest() for app in apps))
            found = await expect_each_once(server.url, apps)
    killed = sum(app.kills for app in apps)
    print(f"seed {seed}: {found} records, servers killed {kills} times, apps {killed} times")
