"""Requests that come again, and moves that say where they start from."""

import asyncio
import json
import sqlite3
from datetime import timedelta

import aiohttp
import pytest

from experiment_server.server.app import serving
from experiment_server.server.settings import Settings
from tests import requests
from tests.conftest import SMALL_STUDY
from tests.server.conftest import Listener

KEY = {"Idempotency-Key": "3f0a"}


async def send(http, method, path, headers=KEY, **more):
    """A request that has a key, unless its headers are given."""
    return await requests.send(http, method, path, headers=headers, **more)


async def test_a_repeated_move_with_the_same_key_moves_once(http, server):
    answers = [await send(http, "POST", "/api/move-to-next") for _ in range(3)]
    assert answers == [(200, {"name": "Hello"})] * 3
    assert (await server.session.row(1)).revision == 1


async def test_repeats_that_come_at_once_move_once(http, server):
    answers = await asyncio.gather(*(send(http, "POST", "/api/move-to-next") for _ in range(20)))
    assert set(map(str, answers)) == {"(200, {'name': 'Hello'})"}
    assert (await server.session.row(1)).revision == 1


async def test_a_repeat_gets_the_first_answer_also_after_others_moved_on(http):
    await send(http, "POST", "/api/move-to-next")
    await send(http, "POST", "/api/move-to-next", headers={})
    assert await send(http, "POST", "/api/move-to-next") == (200, {"name": "Hello"})


async def test_a_repeat_is_known_after_a_restart(study_file):
    for _ in range(2):
        async with (
            serving(Settings(study_file, port=0)) as running,
            aiohttp.ClientSession(running.url) as http,
        ):
            assert await send(http, "POST", "/api/move-to-next") == (200, {"name": "Hello"})
            assert (await running.session.row(1)).block_id == 0


async def test_a_key_is_scoped_by_operation_and_participant(http):
    await send(http, "PUT", "/api/add-participant/2")
    assert await send(http, "POST", "/api/move-to-next/1") == (200, {"name": "Hello"})
    assert await send(http, "POST", "/api/move-to-next/2") == (200, {"name": "Hello"})
    assert await send(http, "POST", "/api/move-to-previous/1") == (200, {"name": "START"})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/api/new-participant"),
        ("PUT", "/api/add-participant/9"),
        ("POST", "/api/move-to-block/2"),
        ("POST", "/api/move-all-to-block/2"),
        ("POST", "/api/undo"),
        ("POST", "/api/reset-participant"),
    ],
)
async def test_every_change_is_made_once_per_key(http, server, method, path):
    await send(http, "POST", "/api/move-to-next", headers={})
    await send(http, "POST", "/api/move-to-next", headers={})
    first = await send(http, method, path)
    assert first[0] == 200
    before = await server.session.rows()
    assert await send(http, method, path) == first
    assert await server.session.rows() == before


async def test_a_key_that_comes_with_another_request_is_refused(http, server):
    await send(http, "POST", "/api/move-to-block/2")
    status, problem = await send(http, "POST", "/api/move-to-block/3")
    assert (status, problem["code"]) == (422, "idempotency-key-reused")
    assert (await server.session.row(1)).block_id == 2


async def test_a_refused_request_may_come_again_with_its_key(http):
    assert (await send(http, "POST", "/api/move-to-next?from_block=0"))[0] == 409
    await send(http, "POST", "/api/move-to-next", headers={})
    assert await send(http, "POST", "/api/move-to-next?from_block=0") == (200, {"name": "A"})


@pytest.mark.parametrize("key", ["", "x" * 129])
async def test_a_key_of_the_wrong_length_is_refused(http, key):
    status, problem = await send(http, "POST", "/api/move-to-next", {"Idempotency-Key": key})
    assert (status, problem["code"]) == (400, "parameter-invalid")


async def test_a_key_on_a_read_means_nothing(http):
    assert await send(http, "GET", "/api/block-id") == (200, -1)
    await send(http, "POST", "/api/move-to-next", headers={})
    assert await send(http, "GET", "/api/block-id") == (200, 0)


async def test_a_socket_repeats_with_a_request_id_also_across_transports(connect, http):
    app = await connect()
    answers = [await app.ask("move-to-next", {"request_id": "3f0a"}) for _ in range(3)]
    assert [answer["data"]["block_id"] for answer in answers] == [0, 0, 0]
    assert await send(http, "POST", "/api/move-to-next") == (200, {"name": "Hello"})
    for wrong in (7, "", "x" * 129, {}):
        answer = await app.ask("move-to-next", {"request_id": wrong})
        assert answer["error"]["code"] == "parameter-invalid"
    assert (await app.ask("state", {"request_id": "any"}))["data"]["block_id"] == 0


async def test_a_move_from_elsewhere_is_refused_with_where_the_participant_is(connect, http):
    app = await connect()
    await app.ask("move-to-next", {"from_block": -1})
    answer = await app.ask("move-to-next", {"from_block": -1})
    assert answer["error"]["code"] == "participant-elsewhere"
    assert answer["error"]["snapshot"]["block_name"] == "Hello"
    status, problem = await send(http, "POST", "/api/move-to-block/3?from_block=2", headers={})
    assert (status, problem["snapshot"]["block_id"]) == (409, 0)


async def test_a_move_from_a_block_that_was_begun_anew_is_refused(connect, http, server):
    app = await connect()
    shown = (await app.ask("move-to-block", {"block_id": 1}))["data"]
    seen = {"from_block": 1, "from_started_at": shown["block_started_at"]}
    # A snapshot tells milliseconds, and the machine may be faster.
    clock = server.session.clock
    server.session.clock = lambda: clock() + timedelta(seconds=1)
    again = (await app.ask("move-to-block", {"block_id": 1}))["data"]
    refused = await app.ask("move-to-next", seen)
    assert refused["error"]["code"] == "participant-elsewhere"
    assert refused["error"]["snapshot"]["block_started_at"] == again["block_started_at"]
    status, problem = await send(
        http,
        "POST",
        f"/api/move-to-next?from_block=1&from_started_at={shown['block_started_at']}",
        headers={},
    )
    assert (status, problem["code"]) == (409, "participant-elsewhere")
    assert (await server.session.row(1)).block_id == 1
    moved = await app.ask("move-to-next", {**seen, "from_started_at": again["block_started_at"]})
    assert moved["data"]["block_id"] == 2


async def test_of_many_moves_from_the_same_block_one_is_made(http, server):
    moves = [send(http, "POST", "/api/move-to-next?from_block=-1", headers={}) for _ in range(50)]
    statuses = sorted(status for status, _ in await asyncio.gather(*moves))
    assert statuses == [200] + [409] * 49
    assert (await server.session.row(1)).revision == 1


@pytest.mark.parametrize(
    "query", ["from_blok=0", "from_block=zero", "from_block=", "reason=" + "x" * 501]
)
async def test_a_wrong_query_is_refused_and_nothing_is_moved(http, server, query):
    status, problem = await send(http, "POST", f"/api/move-to-next?{query}", headers={})
    assert (status, problem["code"]) == (400, "parameter-invalid")
    assert (await server.session.row(1)).revision == 0


async def test_a_cache_buster_on_a_classic_read_is_passed_over(http):
    assert await send(http, "GET", "/api/active?_=1732350000", headers={}) == (200, False)


async def test_two_hundred_moves_at_once_are_two_hundred_steps(tmp_path):
    study = tmp_path / "long.toml"
    names = [f"B{number}" for number in range(250)]
    blocks = "".join(f'[[blocks]]\nname = "{name}"\nconfig = {{}}\n' for name in names)
    study.write_text(f"[configuration]\norder = {json.dumps(names)}\n{blocks}", encoding="utf-8")
    async with (
        serving(Settings(study, port=0)) as running,
        aiohttp.ClientSession(running.url) as http,
    ):
        moves = [send(http, "POST", "/api/move-to-next", headers={}) for _ in range(200)]
        answers = await asyncio.gather(*moves)
        assert sorted(body["name"] for _, body in answers) == sorted(names[:200])
        assert (await running.session.row(1)).block_id == 199


LARGE = "x" * 200_000
LARGE_STUDY = f"""
[configuration]
order = ["A", "B"]
[[blocks]]
name = "A"
config = {{ stimuli = "{LARGE}", speed = 1 }}
[[blocks]]
name = "B"
extends = "A"
"""


async def dashboard_of(running):
    listener = Listener("/dashboard")
    await listener.client.connect(running.url, namespaces=["/dashboard"], transports=["websocket"])
    return listener


async def test_what_is_kept_of_an_answer_does_not_grow_with_the_config(study_file):
    study_file.write_text(LARGE_STUDY, encoding="utf-8")
    patch = {"participant_index": 1, "patch": {"speed": 5}, "request_id": "patch"}
    moves = [
        {"participant_index": 1, "block_id": number % 2, "request_id": str(number)}
        for number in range(100)
    ]
    async with serving(Settings(study_file, port=0)) as running:
        dashboard = await dashboard_of(running)
        await dashboard.ask("move-to-block", {"participant_index": 1, "block_id": 1})
        answers = [await dashboard.ask("update-config", patch)]
        answers += [await dashboard.ask("move-to-block", move) for move in moves]
        await dashboard.client.disconnect()
    assert answers[1]["data"]["config"]["stimuli"] == LARGE
    assert answers[2]["data"]["overrides"] == [{"path": ["speed"], "value": 5, "file": 1}]
    database = sqlite3.connect(study_file.with_suffix(".sqlite3"))
    count, size = database.execute("SELECT count(*), sum(length(reply)) FROM replies").fetchone()
    database.close()
    assert count == 101
    assert size < 101 * 500
    # Also after a restart with another study, a repeat gets the very answer that the first one got.
    study_file.write_text(SMALL_STUDY, encoding="utf-8")
    async with serving(Settings(study_file, port=0)) as running:
        dashboard = await dashboard_of(running)
        again = [await dashboard.ask("update-config", patch)]
        again += [await dashboard.ask("move-to-block", move) for move in moves]
        await dashboard.client.disconnect()
    assert again == answers
