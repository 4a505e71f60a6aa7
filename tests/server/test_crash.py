"""The server is killed again and again: what it acknowledged is there, once, in a whole log."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import socketio

from experiment_server.store import database, records, result_records
from experiment_server.store.check import check
from experiment_server.store.database import DatabaseAddress
from experiment_server.store.integrity import open_for_reading
from tests.conftest import server_running
from tests.server.conftest import PatientClient
from tests.waiting import PATIENCE

KILLS = 50
BLOCKS = 8
# How long a client waits for an answer, and the test for a client that has lost its server.
ANSWER = 10.0

Send = Callable[[str, dict[str, Any]], Awaitable[Any]]

Kept = tuple[str, int, int]
"""A record's id, block and trial."""


@dataclass
class Driver:
    """A client that makes change after change, each with a key, and repeats what had no answer."""

    participant: int
    chance: random.Random
    transport: str
    answered: asyncio.Semaphore
    sent: int = 0
    open: tuple[str, str, dict[str, Any]] | None = None
    blocks: list[int] = field(default_factory=list)
    speeds: list[int] = field(default_factory=list)
    added: list[int] = field(default_factory=list)
    recorded: int = 0
    kept: dict[str, int] = field(default_factory=dict)

    async def drive(self, url: str) -> None:
        """Until the server is gone."""
        try:
            if self.transport == "rest":
                async with aiohttp.ClientSession(url) as http:
                    await self._drive(lambda *request: self._by_rest(http, *request))
            else:
                await self._drive_socket(url)
        except (aiohttp.ClientError, socketio.exceptions.SocketIOError, OSError, TimeoutError):
            return

    async def _drive_socket(self, url: str) -> None:
        # Its own session would be left open when the server dies in the handshake.
        async with aiohttp.ClientSession() as http:
            client = PatientClient(reconnection=False, http_session=http)
            gone = asyncio.Event()
            client.on("disconnect", lambda *_: gone.set(), namespace="/dashboard")
            # The library does not notice a server that dies between letting the transport in and
            # the namespace; it waits for so long.
            await client.connect(
                url, namespaces=["/dashboard"], transports=["websocket"], wait_timeout=1
            )
            driving = asyncio.create_task(
                self._drive(lambda *request: self._by_socket(client, *request))
            )
            await gone.wait()
            driving.cancel()
            await client.disconnect()

    async def finish(self, url: str) -> None:
        """Get the answer that is still owed."""
        async with aiohttp.ClientSession(url) as http:
            await self._step(lambda *request: self._by_rest(http, *request), last=True)

    async def _drive(self, send: Callable[..., Awaitable[Any]]) -> None:
        while True:
            await self._step(send)

    async def _step(self, send: Callable[..., Awaitable[Any]], *, last: bool = False) -> None:
        if self.open is None:
            if last:
                return
            self.open = self._next()
        key, operation, arguments = self.open
        answer = await send(key, operation, arguments)
        # Only now it is acknowledged; a change that had no answer is repeated under its key.
        self.open = None
        self.answered.release()
        if operation == "move-to-block":
            self.blocks.append(arguments["block_id"])
        elif operation == "update-config":
            self.speeds.append(arguments["patch"]["speed"])
        elif operation == "record":
            assert answer["accepted"] + answer["known"] == len(arguments["records"])
            self.kept |= {item["record_id"]: item["block_id"] for item in arguments["records"]}
        else:
            self.added.append(answer)

    def _next(self) -> tuple[str, str, dict[str, Any]]:
        self.sent += 1
        key = f"{self.participant}-{self.sent}"
        kind = self.chance.random()
        if kind < 0.02:
            return key, "new-participant", {}
        if kind < 0.2 and self.blocks:
            return key, "update-config", {"patch": {"speed": self.sent}}
        if kind < 0.6:
            return key, "record", {"table": "trials", "records": self._batch()}
        return key, "move-to-block", {"block_id": self.chance.randrange(BLOCKS)}

    def _batch(self) -> list[dict[str, Any]]:
        """New records, after some of those that were sent before."""
        first = max(0, self.recorded - self.chance.randrange(3))
        self.recorded += self.chance.randint(1, 4)
        return [
            {
                "record_id": f"{self.participant}-{number}",
                "block_id": number % BLOCKS,
                "revision": 0,
                "data": {"trial": number},
            }
            for number in range(first, self.recorded)
        ]

    async def _by_rest(
        self, http: aiohttp.ClientSession, key: str, operation: str, arguments: dict[str, Any]
    ) -> Any:
        method, path, body = {
            "new-participant": ("PUT", "new-participant", None),
            "update-config": ("PATCH", f"config/{self.participant}", arguments.get("patch")),
            "record": ("POST", f"results/{self.participant}", arguments),
            "move-to-block": (
                "POST",
                f"move-to-block/{self.participant}/{arguments.get('block_id')}",
                None,
            ),
        }[operation]
        async with http.request(
            method, f"/api/{path}", json=body, headers={"Idempotency-Key": key}
        ) as response:
            assert response.status == 200, await response.text()
            return await response.json(content_type=None)

    async def _by_socket(
        self, client: socketio.AsyncClient, key: str, operation: str, arguments: dict[str, Any]
    ) -> Any:
        who = {} if operation == "new-participant" else {"participant_index": self.participant}
        answer = await client.call(
            operation,
            {**arguments, **who, "request_id": key},
            namespace="/dashboard",
            timeout=ANSWER,
        )
        assert answer["ok"], answer
        return answer["data"]


async def test_what_is_acknowledged_survives_any_kill_and_happens_once(tmp_path):
    seed = int(os.environ.get("CRASH_SEED", random.SystemRandom().randrange(2**32)))
    print(f"CRASH_SEED={seed}")
    chance = random.Random(seed)
    study = tmp_path / "study.toml"
    study.write_text(
        "".join(
            f'[[blocks]]\nname = "B{number}"\nconfig = {{ speed = 0 }}\n'
            for number in range(BLOCKS)
        ),
        encoding="utf-8",
    )
    answered = asyncio.Semaphore(0)
    drivers = [
        Driver(participant, random.Random(chance.random()), transport, answered)
        for participant, transport in (
            (1, "rest"),
            (1001, "rest"),
            (1002, "socket"),
            (1003, "socket"),
        )
    ]
    for kill in range(KILLS + 1):
        with ExitStack() as stack:
            server = await asyncio.to_thread(stack.enter_context, server_running(study))
            if kill == 0:
                await add(server.url, 1001, 1002, 1003)
            if kill == KILLS:
                for driver in drivers:
                    await driver.finish(server.url)
                break
            driving = [asyncio.create_task(driver.drive(server.url)) for driver in drivers]
            # By what was answered, not by the clock: the machine may be as slow as it likes. Some
            # are killed before anybody is let in.
            for _ in range(chance.randint(0, 12)):
                await asyncio.wait_for(answered.acquire(), PATIENCE)
            await asyncio.sleep(chance.uniform(0, 0.03))
            server.kill()
            await asyncio.wait_for(asyncio.gather(*driving), 4 * PATIENCE)
        moves, speeds, added, problem = await asyncio.to_thread(read_log, study)
        assert problem is None, f"after kill {kill + 1}: {problem}"
        kept = await asyncio.to_thread(read_records, study)
        for driver in drivers:
            expect_all_once(driver, moves, speeds)
            expect_records_once(driver, kept)
    moves, speeds, added, problem = await asyncio.to_thread(read_log, study)
    assert problem is None
    for driver in drivers:
        assert moves.get(driver.participant, []) == driver.blocks
        assert speeds.get(driver.participant, []) == driver.speeds
    kept = await asyncio.to_thread(read_records, study)
    for driver in drivers:
        expect_records_once(driver, kept)
        assert len(kept.get(driver.participant, [])) == len(driver.kept)
    assert sum(len(driver.kept) for driver in drivers) > KILLS
    acknowledged = sorted(index for driver in drivers for index in driver.added)
    assert added == [1, 1001, 1002, 1003, *acknowledged]
    total = sum(driver.sent for driver in drivers)
    print(f"{KILLS} kills, {total} changes acknowledged, {len(added)} participants")
    assert total > KILLS


async def add(url: str, *indices: int) -> None:
    async with aiohttp.ClientSession(url) as http:
        for index in indices:
            async with http.put(f"/api/add-participant/{index}") as response:
                assert response.status == 200


def expect_all_once(
    driver: Driver, moves: dict[int, list[int]], speeds: dict[int, list[int]]
) -> None:
    """The log has what was acknowledged, in order, and at most the one change that was not."""
    for acknowledged, logged, operation in (
        (driver.blocks, moves.get(driver.participant, []), "move-to-block"),
        (driver.speeds, speeds.get(driver.participant, []), "update-config"),
    ):
        assert logged[: len(acknowledged)] == acknowledged
        owed = 1 if driver.open and driver.open[1] == operation else 0
        assert len(logged) <= len(acknowledged) + owed


def expect_records_once(driver: Driver, kept: dict[int, list[Kept]]) -> None:
    """Every acknowledged record is there in its block, and none is there twice."""
    found = kept.get(driver.participant, [])
    blocks = {record_id: block_id for record_id, block_id, _ in found}
    assert len(blocks) == len(found)
    assert driver.kept.items() <= blocks.items()
    for record_id, block_id, trial in found:
        assert record_id == f"{driver.participant}-{trial}"
        assert block_id == trial % BLOCKS
        assert trial < driver.recorded


def read_records(study: Any) -> dict[int, list[Kept]]:
    """The records of each participant: their ids, blocks and trials."""
    kept: dict[int, list[Kept]] = {}
    with open_for_reading(DatabaseAddress.of(study.with_suffix(".sqlite3"))) as connection:
        session = database.session_id(connection, "main") or 0
        for item in result_records.all_records(connection, session, "trials"):
            record = item.record
            found = record.record_id, record.block_id, json.loads(record.data)["trial"]
            kept.setdefault(item.key.participant_index, []).append(found)
    return kept


def read_log(
    study: Any,
) -> tuple[dict[int, list[int]], dict[int, list[int]], list[int], str | None]:
    """Where participants were moved to, what was changed, who was added, and what is wrong."""
    moves: dict[int, list[int]] = {}
    speeds: dict[int, list[int]] = {}
    added = []
    with open_for_reading(DatabaseAddress.of(study.with_suffix(".sqlite3"))) as connection:
        session = database.session_id(connection, "main") or 0
        entries = list(records.all_entries(connection, session))
        problem = check(connection, session, entries).problem
    for entry in entries:
        index, data = entry.participant_index or 0, json.loads(entry.data)
        if entry.type == "moved":
            moves.setdefault(index, []).append(data["to"]["block_id"])
        elif entry.type == "config_overridden":
            speeds.setdefault(index, []).append(data["patch"]["speed"])
        elif entry.type == "participant_added":
            added.append(index)
    return moves, speeds, sorted(added), problem
