"""Connections that dawdle, and too many of them, are nobody else's trouble."""

import asyncio
import contextlib
import inspect
import re
import resource
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web

from experiment_server.server import connections
from experiment_server.server.app import serving
from experiment_server.server.connection_counts import connections_for
from experiment_server.server.connections import Connection
from experiment_server.server.settings import Settings
from tests.waiting import PATIENCE

HEAD = (
    "POST /api/uxf HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
)


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    """Times that a test can wait for."""
    for name in (
        "REQUEST_HEADERS_TIMEOUT_S",
        "IDLE_CONNECTION_TIMEOUT_S",
        "BODY_RATE_INTERVAL_S",
        "UNREAD_RESPONSE_TIMEOUT_S",
    ):
        monkeypatch.setattr(connections, name, 0.5)


@contextlib.asynccontextmanager
async def connection(running):
    address = urlsplit(running.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        yield reader, writer, address.netloc
    finally:
        writer.close()


async def ended(reader):
    """What was still heard before the connection ended."""
    heard = b""
    with contextlib.suppress(ConnectionError):
        while piece := await asyncio.wait_for(reader.read(65536), PATIENCE):
            heard += piece
    return heard


@pytest.mark.parametrize("sent", ["", "GET / HT", HEAD, HEAD + "Content-Length: 9\r\n\r\nfilep"])
async def test_a_connection_that_gets_nowhere_is_ended(server, sent):
    async with connection(server) as (reader, writer, host):
        writer.write(sent.format(host=host).encode())
        assert await ended(reader) == b""


async def test_a_connection_that_is_not_used_again_is_ended(server):
    async with connection(server) as (reader, writer, host):
        writer.write(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert (await ended(reader)).startswith(b"HTTP/1.1 200")


async def trickle(writer, piece, pause):
    with contextlib.suppress(ConnectionError):
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)


@pytest.mark.parametrize("sent", [HEAD, HEAD + "Content-Length: 999999\r\n\r\ndata="])
async def test_a_connection_that_trickles_is_ended(server, sent):
    async with connection(server) as (reader, writer, host):
        writer.write(sent.format(host=host).encode())
        trickling = asyncio.create_task(trickle(writer, b"a: b\r\n", 0.05))
        assert await ended(reader) == b""
        trickling.cancel()


async def test_a_body_that_comes_steadily_may_take_its_time(server, monkeypatch):
    monkeypatch.setattr(connections, "BODY_MIN_BYTES_PER_S", 10)
    async with connection(server) as (reader, writer, host):
        size = len("filepath=a&data=") + 30 * 100
        head = HEAD + f"Content-Length: {size}\r\n\r\nfilepath=a&data="
        writer.write(head.format(host=host).encode())
        for _ in range(30):
            writer.write(b"x" * 100)
            await asyncio.sleep(0.05)
        assert (await asyncio.wait_for(reader.readline(), PATIENCE)).startswith(b"HTTP/1.1 200")


async def test_a_websocket_may_be_silent(server):
    async with (
        aiohttp.ClientSession(server.url) as http,
        http.ws_connect("/socket.io/?EIO=4&transport=websocket") as ws,
    ):
        await ws.send_str("40")
        await asyncio.sleep(1.5)
        await state_of(ws)


async def state_of(ws):
    """Ask over a socket for the state, and wait for it."""
    await ws.send_str('420["state"]')
    while not (await ws.receive_str(timeout=PATIENCE)).startswith("430"):
        pass


async def test_an_answer_that_nobody_takes_is_given_up(study_file, tmp_path, caplog):
    app = tmp_path / "app"
    app.mkdir()
    (app / "index.html").write_bytes(b"x" * (30 << 20))
    async with serving(Settings(study_file, port=0, app=app)) as running:
        address = urlsplit(running.url)
        with socket.socket() as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(raw, (address.hostname, address.port))
            request = f"GET /app/ HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n"
            await loop.sock_sendall(raw, request.encode())
            counted = ""
            deadline = time.monotonic() + PATIENCE
            async with aiohttp.ClientSession(running.url) as http:
                while "experiment_server_connections 2.0" not in counted:
                    async with http.get("/metrics") as response:
                        counted = await response.text()
                while "experiment_server_connections 1.0" not in counted:
                    assert time.monotonic() < deadline
                    async with http.get("/metrics") as response:
                        counted = await response.text()
    assert "Unhandled" not in caplog.text


@pytest.mark.parametrize("more", [
    {"max_connections": 3}, {"max_connections_per_address": 3},
])  # fmt: skip
async def test_the_longest_idle_connection_makes_room(study_file, monkeypatch, more):
    monkeypatch.setattr(connections, "REQUEST_HEADERS_TIMEOUT_S", 60.0)
    async with (
        serving(Settings(study_file, port=0, **more)) as running,
        contextlib.AsyncExitStack() as stack,
    ):
        idle = [await stack.enter_async_context(connection(running)) for _ in range(10)]
        async with aiohttp.ClientSession(running.url) as http, http.get("/healthz") as response:
            assert response.status == 200
        for reader, _, _ in idle[:7]:
            assert await ended(reader) == b""


@pytest.mark.parametrize("more", [
    {"max_connections": 3}, {"max_connections_per_address": 3},
])  # fmt: skip
async def test_where_all_are_at_work_another_is_told_to_come_back(study_file, monkeypatch, more):
    monkeypatch.setattr(connections, "BODY_RATE_INTERVAL_S", 60.0)
    async with serving(Settings(study_file, port=0, **more)) as running:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(3):
                reader, writer, host = await stack.enter_async_context(connection(running))
                head = HEAD + "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n"
                writer.write(head.format(host=host).encode())
                assert b"100" in await asyncio.wait_for(reader.readline(), PATIENCE)
            another, _, _ = await stack.enter_async_context(connection(running))
            answer = await ended(another)
            assert answer.startswith(b"HTTP/1.1 503")
            assert b"Retry-After: 5" in answer
            writer.write(b"filepath&")
            assert await ended(reader)
        async with aiohttp.ClientSession(running.url) as http, http.get("/healthz") as response:
            assert response.status == 200


async def test_people_behind_a_proxy_do_not_share_its_address(study_file):
    settings = Settings(
        study_file, port=0, trusted_proxy=("127.0.0.1",), max_connections_per_address=1
    )
    async with serving(settings) as running, contextlib.AsyncExitStack() as stack:
        for _ in range(5):
            reader, writer, host = await stack.enter_async_context(connection(running))
            head = HEAD + "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n"
            writer.write(head.format(host=host).encode())
            assert await asyncio.wait_for(reader.readline(), PATIENCE)


@pytest.mark.parametrize(
    ("wanted", "descriptors", "most"),
    [(10_000, None, 10_000), (10_000, 1024, 924), (10_000, 256, 156), (50, 1024, 50), (9, 8, 4)],
)
def test_connections_leave_descriptors_for_the_rest(wanted, descriptors, most):
    assert connections_for(wanted, descriptors) == most


async def test_what_is_extended_of_aiohttp_is_there():
    ours = [name for name, item in vars(Connection).items() if inspect.isfunction(item)]
    extended = [
        name for name in ours if not name.startswith("_") and name not in ("on_request", "abort")
    ]
    assert len(extended) == 6
    for name in extended:
        theirs = inspect.signature(getattr(web.RequestHandler, name))
        assert list(inspect.signature(vars(Connection)[name]).parameters) == list(theirs.parameters)
    assert {"request_handler", "request_factory"} <= vars(web.Server(print)).keys()


@pytest.fixture
def cramped(study_file, tmp_path):
    """The address and the log of a server that may open 256 files."""
    log = tmp_path / "log"
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "experiment_server", "run", str(study_file), "-p", "0"],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)),
        )
    yield next(line.split()[-1] for line in process.stdout if "Dashboard:" in line), log
    process.terminate()
    process.communicate(timeout=20)


async def test_a_process_with_few_descriptors_goes_on(cramped):
    url, log = cramped
    address = urlsplit(url)
    async with (
        aiohttp.ClientSession(url) as http,
        http.ws_connect("/socket.io/?EIO=4&transport=websocket") as ws,
        contextlib.AsyncExitStack() as stack,
    ):
        await ws.send_str("40")
        for _ in range(400):
            _, writer = await asyncio.open_connection(address.hostname, address.port)
            stack.callback(writer.close)
        await state_of(ws)
        async with http.post("/api/move-to-next") as response:
            assert response.status == 200
    text = log.read_text(encoding="utf-8")
    assert "Traceback" not in text
    assert "156 connections" in text
    assert len(text) < 50_000


async def test_a_flood_of_one_mistake_is_a_few_lines_of_log(server, capsys, monkeypatch):
    from experiment_server.server import logs
    from experiment_server.server.log_format import LogFormat

    monkeypatch.setattr(logs, "LOG_REPEATS_MAX", 5)
    monkeypatch.setattr(logs, "LOG_REPEATS_INTERVAL_S", 1.0)
    logs.set_up(LogFormat.TEXT)
    for _ in range(20):
        async with connection(server) as (reader, writer, _):
            writer.write(b"no http at all\r\n\r\n")
            assert b"400" in await ended(reader)
    deadline = time.monotonic() + PATIENCE
    lines = ""
    while "left out" not in lines and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
        lines += capsys.readouterr().err
    said = re.findall("a request could not be read: ", lines)
    (left_out,) = re.findall(r"(\d+) more lines like .* were left out", lines)
    assert len(said) + int(left_out) >= 20
    assert len(said) <= 12
    assert "Traceback" not in lines
