"""What of the asynchronous client no other has: tasks, cancellation, iterators, signals."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from experiment_server import AsyncClient, StudyError
from experiment_server.server.app import serving
from experiment_server.server.settings import Settings
from experiment_server.session.requests import BY_SERVER
from experiment_server_client.transports import PollingTransport
from tests.clients.conformance import Network, Stranger
from tests.conftest import server_running
from tests.waiting import PATIENCE

# An app that has a handler of its own for Ctrl+C, and work to finish then.
APP = """
import asyncio, signal, sys
from experiment_server import AsyncClient

async def main():
    interrupted = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
    async with AsyncClient(sys.argv[1], 1) as client:
        other = asyncio.create_task(asyncio.sleep(60))
        print("ready", flush=True)
        await interrupted.wait()
        block = await client.next()
        print("saved", block["block_name"], other.done(), flush=True)
        other.cancel()

asyncio.run(main())
"""


@pytest.fixture
async def server(study_file):
    async with serving(Settings(study_file, port=0)) as running:
        yield running


@pytest.fixture
async def network(server):
    async with Network() as between:
        between.upstream = urlsplit(server.url).port
        yield between


async def soon(awaitable):
    """What it comes to, within patience."""
    return await asyncio.wait_for(awaitable, PATIENCE)


async def hears(happenings, event, connection=None):
    """Wait for an event, past others."""
    async for heard in happenings:
        if heard.event == event and connection in (None, heard.connection):
            return heard.snapshot
    raise AssertionError("the client was closed")


@pytest.mark.parametrize("status", [502, 200])
async def test_a_page_in_the_servers_place_does_not_end_the_asking(network, status):
    async with AsyncClient(network.url, 1) as client:
        happenings = client.happenings()
        await network.become(Stranger(status, "text/html", "<h1>Nobody is in</h1>"))
        await soon(hears(happenings, "connection", "none"))
        await soon(network.misleads(1))
        await network.become("no-sockets")
        await soon(hears(happenings, "connection", "rest"))
        assert (await soon(client.next()))["block_name"] == "Hello"


async def test_a_cancelled_move_is_not_made_later(server, network):
    async with AsyncClient(network.url, 1) as client:
        happenings = client.happenings()
        await network.become("cut")
        await soon(hears(happenings, "connection", "none"))
        unwanted = asyncio.create_task(client.next())
        wanted = asyncio.create_task(client.go_to(3))
        await asyncio.sleep(0)
        unwanted.cancel()
        with pytest.raises(asyncio.CancelledError):
            await unwanted
        await network.become("whole")
        assert (await soon(wanted))["block_name"] == "C"
    row = await server.session.row(1)
    assert (row.block_id, row.revision) == (3, 1)


async def test_a_cancelled_move_leaves_its_place_to_another(network):
    async with AsyncClient(network.url, 1) as client:
        happenings = client.happenings()
        await network.become("cut")
        await soon(hears(happenings, "connection", "none"))
        for _ in range(40):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.next(), 0)
        moves = [asyncio.create_task(client.next()) for _ in range(16)]
        await asyncio.sleep(0)
        assert not any(move.done() for move in moves)
        with pytest.raises(StudyError) as refused:
            await client.next()
        assert refused.value.code == "queue-full"
        for move in moves:
            move.cancel()


async def test_what_goes_on_from_a_refused_move_is_refused_with_it(server, network):
    """By chance the participant is where the second was to go on from: it was never shown."""
    async with AsyncClient(network.url, 1) as client:
        happenings = client.happenings()
        await network.become("cut")
        await soon(hears(happenings, "connection", "none"))
        moves = [asyncio.create_task(client.next()) for _ in range(2)]
        await server.session.move_to_block(BY_SERVER, 1, 0)
        await network.become("whole")
        outcomes = await soon(asyncio.gather(*moves, return_exceptions=True))
        assert [getattr(outcome, "code", None) for outcome in outcomes] == [
            "participant-elsewhere",
            "participant-elsewhere",
        ]
        assert (await server.session.row(1)).block_id == 0


async def test_iterators_end_when_the_client_is_closed(server):
    async with AsyncClient(server.url, 1) as client:
        await client.next()
        blocks, happenings = client.blocks(), client.happenings()
        assert (await anext(blocks))["block_name"] == "Hello"
        waiting = [asyncio.ensure_future(anext(each, "ended")) for each in (blocks, happenings)]
        await asyncio.sleep(0)
    assert await soon(asyncio.gather(*waiting)) == ["ended", "ended"]
    assert [block async for block in client.blocks()] == []


async def test_a_wait_that_is_cancelled_loses_no_block(server):
    async with AsyncClient(server.url, 1) as client:
        blocks, happenings = client.blocks(), client.happenings()
        for each in (blocks, happenings):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(anext(each), 0.01)
        await server.session.move_to_block(BY_SERVER, 1, 1)
        assert (await soon(anext(blocks)))["block_name"] == "A"
        assert (await soon(anext(happenings))).snapshot["block_name"] == "A"


async def test_happenings_are_those_since_they_were_asked_for(server):
    async with AsyncClient(server.url, 1) as client:
        happenings = client.happenings()
        await client.next()
        await client.next()
        names = [(await soon(anext(happenings))).snapshot["block_name"] for _ in range(2)]
    assert names == ["Hello", "A"]


async def test_start_is_no_block(server):
    async with AsyncClient(server.url, 1) as client:
        blocks = client.blocks()
        first = asyncio.ensure_future(anext(blocks))
        await client.next()
        assert (await soon(first))["block_name"] == "Hello"
        second = asyncio.ensure_future(anext(blocks))
        assert (await client.previous())["block_name"] == "START"
        await client.go_to(1)
        assert (await soon(second))["block_name"] == "A"


async def test_a_late_look_at_old_news_does_not_take_the_app_back(server):
    async with AsyncClient(server.url, 1) as client:
        happenings = client.happenings()
        await client.next()
        await client.next()
        assert (await soon(anext(happenings))).snapshot["block_name"] == "Hello"
        assert (await client.next())["block_name"] == "B"


async def test_where_the_participant_is_can_be_gone_on_from(server):
    async with AsyncClient(server.url, 1) as client:
        await server.session.move_to_block(BY_SERVER, 1, 2)
        with pytest.raises(StudyError, match="99"):
            await client.go_to(99)  # what is pushed comes before its answer
        assert client.snapshot["block_name"] == "B"
        with pytest.raises(StudyError) as refused:
            await client.next()
        assert refused.value.code == "participant-elsewhere", "it was not given to the app"
        assert (await client.snapshot.next())["block_name"] == "C"
        assert (await client.next())["block_name"] == "D"


async def test_a_client_takes_part_once(server):
    client = AsyncClient(server.url, 1)
    async with client:
        pass
    with pytest.raises(StudyError, match="create another"):
        await client.__aenter__()


async def test_a_mistake_of_the_client_ends_what_waits_for_it(network, monkeypatch):
    async def fails(_way):
        raise ZeroDivisionError

    await network.become("no-sockets")
    async with AsyncClient(network.url, 1) as client:
        blocks = asyncio.ensure_future(anext(client.blocks()))
        monkeypatch.setattr(PollingTransport, "state", fails)
        with pytest.raises(StudyError, match="ZeroDivisionError"):
            await soon(blocks)
        with pytest.raises(StudyError) as refused:
            await soon(client.next())
        assert refused.value.code == "client-failed"


async def test_a_program_that_cancels_all_its_tasks_waits_for_none(server):
    async with AsyncClient(server.url, 1) as client:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            if "AsyncClient" in str(task.get_coro()):
                task.cancel()
        await asyncio.sleep(0)
        with pytest.raises(StudyError, match="stopped"):
            await soon(client.next())


async def test_a_config_is_as_large_as_the_study_has_it(tmp_path):
    study = tmp_path / "study.toml"
    text = '"' * 2_500_000  # twice as long in JSON: more than the 4 MB that aiohttp takes
    block = f"[[blocks]]\nname = 'A'\nconfig = {{text = '{text}'}}\n"
    study.write_text(f"[configuration]\norder = [['A']]\n{block}")
    async with (
        serving(Settings(study, port=0)) as server,
        AsyncClient(server.url, 1) as client,
    ):
        assert client.connection == "socket"
        assert (await soon(client.next()))["config"]["text"] == text
        assert client.connection == "socket"


@pytest.mark.skipif(sys.platform == "win32", reason="signal handlers of loops are POSIX's")
def test_interrupting_an_app_is_the_apps_own_affair(study_file):
    with (
        server_running(study_file) as server,
        subprocess.Popen(
            [sys.executable, "-c", APP, server.url], stdout=subprocess.PIPE, text=True
        ) as app,
    ):
        try:
            assert app.stdout.readline() == "ready\n"
            app.send_signal(signal.SIGINT)
            said, _ = app.communicate(timeout=PATIENCE)
        finally:
            app.kill()
        assert said == "saved Hello False\n"
        assert app.returncode == 0
