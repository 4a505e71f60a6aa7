"""Who comes and goes is in the log, and who does so without end does not fill it."""

import asyncio

import aiohttp
import pytest

from experiment_server.server.app import serving
from experiment_server.server.settings import Settings
from experiment_server.session import presence
from tests.waiting import PATIENCE


@pytest.fixture
async def ws(http):
    async with http.ws_connect("/socket.io/?EIO=4&transport=websocket") as opened:
        await opened.receive(PATIENCE)
        yield opened


async def flap(ws, times):
    """Connect and disconnect an app over one socket."""
    for _ in range(times):
        await ws.send_str("40")
        while not (await ws.receive(PATIENCE)).data.startswith("42"):
            pass
        await ws.send_str("41")


async def comings_and_goings(http):
    async with http.get("/api/events?limit=1000") as response:
        entries = await response.json()
    return [
        (entry["type"], entry["data"])
        for entry in entries
        if entry["type"] in ("connected", "disconnected")
    ]


async def until(http, wanted):
    """The comings and goings in the log, once they are as wanted."""

    async def wait():
        while not wanted(said := await comings_and_goings(http)):
            pass
        return said

    return await asyncio.wait_for(wait(), PATIENCE)


async def test_who_comes_and_goes_is_in_the_log(http, ws):
    await flap(ws, 3)
    said = await until(http, lambda said: len(said) == 6)
    assert said == [("connected", {"apps": 1}), ("disconnected", {"apps": 0})] * 3


async def test_an_app_that_comes_and_goes_without_end_makes_an_entry_now_and_then(
    http, ws, monkeypatch
):
    monkeypatch.setattr(presence, "PRESENCE_BURST_MAX", 4)
    monkeypatch.setattr(presence, "PRESENCE_INTERVAL_S", 0.5)
    await flap(ws, 30)

    def told(said):
        return sum(1 + data.get("left_out", 0) for _, data in said)

    said = await until(http, lambda said: told(said) == 60)
    assert said[:4] == [("connected", {"apps": 1}), ("disconnected", {"apps": 0})] * 2
    assert said[-1][1]["apps"] == 0
    assert len(said) < 60


async def test_a_stop_says_what_the_log_was_not_told_yet(study_file, monkeypatch):
    monkeypatch.setattr(presence, "PRESENCE_BURST_MAX", 1)
    monkeypatch.setattr(presence, "PRESENCE_INTERVAL_S", 3600.0)
    async with (
        serving(Settings(study_file, port=0)) as running,
        aiohttp.ClientSession(running.url) as http,
        http.ws_connect("/socket.io/?EIO=4&transport=websocket") as opened,
    ):
        await flap(opened, 10)
        await opened.send_str("40")
        # The greeting says that the connection is there.
        while not (await opened.receive(PATIENCE)).data.startswith("42"):
            pass
        assert await comings_and_goings(http) == [("connected", {"apps": 1})]
    async with (
        serving(Settings(study_file, port=0)) as running,
        aiohttp.ClientSession(running.url) as http,
    ):
        _, (kind, data) = await comings_and_goings(http)
        assert (kind, data) == ("disconnected", {"apps": 0, "left_out": 20})
