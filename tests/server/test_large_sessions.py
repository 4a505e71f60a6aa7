"""Many participants with many blocks: what takes long gives others their turn."""

import asyncio
import gc
import itertools
import json
import time
from datetime import datetime, timezone

import aiohttp
import msgpack
import pytest
import tomli

from experiment_server.limits.session import MESSAGE_BLOCK_NAMES_MAX, ORDERS_NAMES_MAX
from experiment_server.limits.study import STUDY_MAX_BYTES
from experiment_server.participants.state import ParticipantState
from experiment_server.server.app import serving
from experiment_server.server.settings import Settings
from experiment_server.session.requests import BY_SERVER
from experiment_server.store.commits import Commit
from experiment_server.store.database import DatabaseAddress
from experiment_server.store.statements import Change
from experiment_server.store.store import Store
from tests.server.conftest import Listener

PEOPLE, BLOCKS = 3_000, 200
NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
NAMES = [f"condition-{number}" for number in range(BLOCKS)]
STUDY = (
    f'[configuration]\ngroups_strategy = "latin_square"\norder = {json.dumps(NAMES)}\n'
    + "".join(f'[[blocks]]\nname = "{name}"\nconfig = {{ x = 1 }}\n' for name in NAMES)
)


def bound():
    """The longest that one callback may hold the event loop, in seconds of its thread: four times
    what the standard library needs to write everybody's names once (0.2 s on a slow machine)."""
    started = time.thread_time()
    for _ in range(PEOPLE):
        json.dumps(NAMES)
    return 4 * (time.thread_time() - started)


class Holds:
    """How long the event loop was held by one callback: its thread's own time, so that what else
    the machine does is not counted; and without the garbage collector, which goes through all
    that the tests before this one have left behind."""

    def __init__(self):
        gc.disable()
        self.longest = 0.0
        self._last = time.thread_time()
        self._tick()

    def _tick(self):
        now = time.thread_time()
        self.longest = max(self.longest, now - self._last)
        self._last = now
        self._next = asyncio.get_running_loop().call_later(0.001, self._tick)

    def stop(self):
        self._next.cancel()
        gc.enable()


async def in_turns(action, tries=3):
    """What `action` gives. It is tried again if a callback held the loop for too long, since a
    virtual machine that is stopped for a moment counts that as its thread's time too."""
    holds = []
    for _ in range(tries):
        longest = bound()
        measured = Holds()
        try:
            result = await action()
            await asyncio.sleep(0.01)  # what was under way has its turn, and is counted
        finally:
            measured.stop()
        if measured.longest < longest:
            return result
        holds.append((measured.longest, longest))
    raise AssertionError(f"held the loop for longer than it may, in seconds: {holds}")


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """A session that all those people take part in."""
    study = tmp_path_factory.mktemp("crowd") / "study.toml"
    study.write_text(STUDY, encoding="utf-8")
    settings = Settings(study, port=0)
    store = Store(DatabaseAddress.of(settings.place), session=settings.session)
    states = [ParticipantState(index, updated_at=NOON) for index in range(1, PEOPLE + 1)]
    store.commit(Commit([Change(state, None) for state in states])).result(timeout=60)
    store.close()
    return settings


@pytest.fixture
async def server(crowd):
    async with serving(crowd) as running:
        yield running


async def test_everybodys_rows_are_written_in_turns(server, http):
    async def ask():
        async with http.get("/api/participants") as response:
            return await response.read()

    rows = json.loads(await in_turns(ask))
    assert [row["participant_index"] for row in rows] == [*range(1, PEOPLE + 1)]
    assert sorted(rows[-1]["block_names"]) == sorted(NAMES)
    headers = {"Accept": "application/msgpack"}
    async with http.get("/api/participants", headers=headers) as response:
        assert msgpack.unpackb(await response.read()) == rows


async def test_a_dashboard_gets_everybody_in_messages_of_a_bounded_size(server):
    async def look():
        dashboard = Listener("/dashboard")
        await dashboard.client.connect(
            server.url, namespaces=["/dashboard"], transports=["websocket"]
        )
        pages = [(await dashboard.expect("snapshot"))["participants"]]
        while sum(map(len, pages)) < PEOPLE:
            pages.append(await dashboard.expect("participants-changed"))
        await dashboard.client.disconnect()
        return pages

    pages = await in_turns(look)
    assert [row["participant_index"] for page in pages for row in page] == [*range(1, PEOPLE + 1)]
    assert max(map(len, pages)) * BLOCKS <= MESSAGE_BLOCK_NAMES_MAX


async def test_the_dashboards_page_has_a_bounded_size(server, http):
    async def ask():
        async with http.get("/") as response:
            assert response.status == 200
            return await response.read()

    assert len(await in_turns(ask)) < 50 * MESSAGE_BLOCK_NAMES_MAX


async def test_a_study_is_verified_and_saved_in_turns(server, http):
    values = itertools.count(2)

    def changed():
        text = STUDY.replace("x = 1", f"x = {next(values)}")
        return text.replace("latin_square", "randomize").encode()

    async def verify(participants=500):
        path = f"/api/verify?participants={participants}"
        async with http.post(path, data=changed()) as response:
            assert response.status == 200
            return await response.json()

    async def save():
        text = changed()
        async with http.put("/api/study/toml", data=text, headers={"If-Match": "*"}) as response:
            assert response.status == 200
        return tomli.loads(text.decode())["blocks"][0]["config"]["x"]

    await verify(1)  # what reads studies is started
    outcome = await in_turns(verify)
    assert len(outcome["affected"]["reordered"]) == PEOPLE
    assert len(outcome["orders"]) * BLOCKS <= ORDERS_NAMES_MAX
    saved = await in_turns(save)
    assert (await server.session.all_configs(BY_SERVER, 1))[0]["x"] == saved


async def test_a_study_file_that_is_too_large_is_no_study(server, http, crowd):
    path = crowd.config_file
    before = path.read_bytes()
    path.write_bytes(b"#" * (STUDY_MAX_BYTES + 1))
    async with aiohttp.ClientSession(server.url) as session, session.get("/api/study/toml") as got:
        assert got.status == 422
        problem = await got.json()
    assert problem["code"] == "study-file-unreadable"
    assert "more than 4 MB" in problem["detail"]
    path.write_bytes(before)
