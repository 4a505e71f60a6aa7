"""A server whose database fails: callers get an answer, and the server an end, in time."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time

import aiohttp
import pytest
from sqlalchemy.engine import make_url

from experiment_server.errors import SessionLost
from experiment_server.server import readiness
from experiment_server.server.app import serving
from experiment_server.server.settings import Settings
from experiment_server.session import deadlines
from experiment_server.store import postgresql as driver
from experiment_server.store import writer
from tests.conftest import server_running
from tests.faults import Proxy
from tests.requests import send
from tests.server.conftest import Listener
from tests.waiting import PATIENCE

RUN = [sys.executable, "-m", "experiment_server", "run", "-p", "0"]


@pytest.fixture
def proxy(postgresql):
    url = make_url(postgresql)
    with Proxy(url.host, url.port or 5432) as proxy:
        proxy.url = url.set(host=proxy.host, port=proxy.port).render_as_string(hide_password=False)
        yield proxy


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(driver, "TRANSACTION_TIMEOUT_S", 1.0)
    monkeypatch.setitem(driver._NETWORK, "connect_timeout", 2)
    monkeypatch.setattr(writer, "SESSION_CHECK_INTERVAL_S", 0.1)
    monkeypatch.setattr(deadlines, "COMMIT_TIMEOUT_S", 0.5)
    monkeypatch.setattr(readiness, "READINESS_TIMEOUT_S", 0.5)
    monkeypatch.setattr(readiness, "READINESS_CACHE_S", 0.0)


async def until_ready(http):
    while (await send(http, "GET", "/readyz"))[0] != 200:
        pass


async def test_what_is_kept_after_its_caller_gave_up_is_told_to_everybody(study_file, proxy, soon):
    async with (
        serving(Settings(study_file, port=0, database=proxy.url)) as running,
        aiohttp.ClientSession(running.url) as http,
    ):
        app = Listener("/")
        await app.client.connect(running.url, transports=["websocket"])
        await app.expect("state")
        # The connection of the app is in the log before anything is lost.
        await running.session.flush()
        proxy.hold_when_lost()
        proxy.lose_answer(b"COMMIT")
        status, problem = await send(http, "POST", "/api/move-to-next")
        assert (status, problem["code"]) == (503, "store-unavailable")
        assert "has not answered in time" in problem["detail"]
        assert (await send(http, "GET", "/api/block-id"))[1] == -1
        proxy.release()
        snapshot = await app.until("block-changed")
        assert snapshot["block_name"] == "Hello"
        assert (await send(http, "GET", "/api/block-id"))[1] == 0
        await app.client.disconnect()


async def test_readiness_tells_of_a_black_hole_and_of_its_end(study_file, proxy, soon):
    async with (
        serving(Settings(study_file, port=0, database=proxy.url)) as running,
        aiohttp.ClientSession(running.url) as http,
    ):
        assert await send(http, "GET", "/readyz") == (200, {"status": "ready"})
        proxy.hold()
        status, body = await send(http, "GET", "/readyz")
        assert (status, body["status"]) == (503, "the database does not answer")
        assert (await send(http, "GET", "/healthz"))[0] == 200
        proxy.release()
        await asyncio.wait_for(until_ready(http), PATIENCE)
        assert (await send(http, "POST", "/api/move-to-next"))[0] == 200


async def test_readiness_tells_of_a_database_that_was_deleted(study_file):
    async with (
        serving(Settings(study_file, port=0)) as running,
        aiohttp.ClientSession(running.url) as http,
    ):
        study_file.with_suffix(".sqlite3").unlink()
        status, body = await send(http, "GET", "/readyz")
        assert (status, body["status"][:30]) == (503, "the database accepts no change")
        status, problem = await send(http, "POST", "/api/move-to-next")
        assert status == 503
        assert "was deleted or replaced" in problem["detail"]
        assert (await send(http, "GET", "/api/block-id"))[1] == -1
        assert (await send(http, "GET", "/api/events"))[0] == 200


def test_a_stop_is_over_in_time_whatever_the_database_does(study_file, proxy):
    with server_running(study_file, "--database", proxy.url) as server:
        proxy.hold()
        started = time.monotonic()
        server.process.terminate()
        server.process.communicate(timeout=PATIENCE)
        assert server.process.returncode == 0, server.errors
        assert time.monotonic() - started < 10
        assert "Traceback" not in server.errors


def test_a_start_on_a_black_hole_is_refused_in_time(study_file, proxy):
    proxy.hold()
    result = subprocess.run(
        [*RUN, study_file, "--database", proxy.url],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert result.returncode == 1
    assert "cannot be used: connection timeout expired" in result.stderr
    assert "Traceback" not in result.stderr


async def test_a_server_whose_session_was_taken_over_stops_and_says_so(study_file, tmp_path):
    place = tmp_path / "study.sqlite3"
    with server_running(study_file, "--database", place) as first:
        (tmp_path / "study.sqlite3.lock").unlink()
        with server_running(study_file, "--database", place) as second:
            async with aiohttp.ClientSession() as http:
                with contextlib.suppress(aiohttp.ClientError):
                    await send(http, "POST", f"{first.url}/api/move-to-next")
                await asyncio.to_thread(first.process.communicate, timeout=PATIENCE)
                assert first.process.returncode == 1
                assert "has taken over session" in first.errors
                assert "Traceback" not in first.errors
                moved = await send(http, "POST", f"{second.url}/api/move-to-next")
                assert moved == (200, {"name": "Hello"})


async def test_who_serves_is_told_that_the_session_was_lost(study_file, monkeypatch):
    monkeypatch.setattr(writer, "SESSION_CHECK_INTERVAL_S", 3600)
    with pytest.raises(SessionLost):  # noqa: PT012 - it comes from leaving the context
        async with serving(Settings(study_file, port=0)) as running:
            study_file.with_suffix(".sqlite3.lock").unlink()
            async with (
                serving(Settings(study_file, port=0)),
                aiohttp.ClientSession(running.url) as http,
            ):
                status, problem = await send(http, "POST", "/api/move-to-next")
                assert (status, problem["code"]) == (503, "session-lost")
            await asyncio.wait_for(running.session.stopping.wait(), PATIENCE)
