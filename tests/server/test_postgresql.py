"""A server on PostgreSQL: all of its operations, and a database that fails under it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from experiment_server.server.app import Running, serving
from experiment_server.server.settings import Settings
from tests.requests import send


@pytest.fixture
async def on_postgresql(study_file, postgresql) -> AsyncIterator[Running]:
    async with serving(Settings(study_file, port=0, database=postgresql)) as running:
        yield running


@pytest.fixture
async def http(on_postgresql) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(on_postgresql.url) as session:
        yield session


async def test_a_move_is_undone(http):
    assert await send(http, "POST", "/api/move-to-next") == (200, {"name": "Hello"})
    assert await send(http, "POST", "/api/undo") == (200, {"name": "START"})


async def test_the_largest_numbers_of_the_protocol_are_taken(http):
    status, entries = await send(http, "GET", f"/api/events?before={2**53 - 1}")
    assert (status, entries[0]["type"]) == (200, "server_started")
    assert await send(http, "GET", f"/api/events?after={2**53 - 1}") == (200, [])


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", "/api/move-to-next/{}", "participant-unknown"),
        ("POST", "/api/undo/{}", "participant-unknown"),
        ("PUT", "/api/add-participant/{}", "participant-index-invalid"),
    ],
)
@pytest.mark.parametrize("index", [10**15, -(10**15)])
async def test_a_keyed_request_for_a_participant_who_cannot_be_stops_nobody(
    http, method, path, code, index
):
    answers = await asyncio.gather(
        *(send(http, "POST", "/api/move-to-block/0") for _ in range(5)),
        send(http, method, path.format(index), headers={"Idempotency-Key": "k"}),
        *(send(http, "POST", "/api/move-to-block/0") for _ in range(5)),
    )
    status, problem = answers.pop(5)
    assert (status, problem["code"]) == (406, code)
    assert answers == [(200, 0)] * 10
