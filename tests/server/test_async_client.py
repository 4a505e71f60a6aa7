"""AsyncClient as a participant's program uses it."""

import asyncio
import logging

import pytest

from experiment_server import AsyncClient, StudyError
from experiment_server.session.requests import BY_SERVER
from tests.waiting import PATIENCE


async def test_a_program_goes_through_its_blocks(server):
    seen = []
    async with AsyncClient(server.url, participant=1) as client:
        await client.next()
        async for block in client.blocks():
            seen.append((block["block_name"], block["config"].get("speed")))
            await client.next()
        assert client.config is None
    assert seen == [("Hello", None), ("A", 1), ("B", 1), ("C", 3), ("D", 3)]


async def test_blocks_wait_for_the_experimenter(server):
    async with AsyncClient(server.url, participant=1) as client:
        blocks = client.blocks()
        first = asyncio.ensure_future(anext(blocks))
        await server.session.move_to_block(BY_SERVER, 1, 2)
        assert (await asyncio.wait_for(first, PATIENCE))["block_name"] == "B"
        second = asyncio.ensure_future(anext(blocks))
        await server.session.move_to_block(BY_SERVER, 1, 0)
        assert (await asyncio.wait_for(second, PATIENCE))["block_name"] == "Hello"


async def test_what_a_client_leaves_behind_is_nothing(server, http, caplog):
    for _ in range(3):
        async with AsyncClient(server.url) as client:
            assert client.snapshot["participant_index"] == 1
        with pytest.raises(StudyError, match="not known"):
            await AsyncClient(server.url, 99).__aenter__()
        with pytest.raises(StudyError, match="closed"):
            await client.next()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    while any(row.connected for row in await server.session.rows()):
        async with http.get("/healthz"):
            pass
    assert not [task for task in asyncio.all_tasks() if "AsyncClient" in str(task.get_coro())]
