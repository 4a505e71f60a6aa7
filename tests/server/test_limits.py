"""Every bound is met: what is beyond it is refused, and everybody else goes on."""

import asyncio
import contextlib
import io
import json
import socket
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
import socketio

from experiment_server.server import socket_server
from experiment_server.server.app import serving
from experiment_server.server.settings import Settings
from experiment_server.session import parse_worker, participants
from tests.conftest import server_running
from tests.server.conftest import PatientClient
from tests.waiting import PATIENCE


async def test_a_session_takes_so_many_participants(http, monkeypatch):
    monkeypatch.setattr(participants, "PARTICIPANTS_MAX", 3)
    statuses = []
    for _ in range(3):
        async with http.put("/api/new-participant") as response:
            statuses.append(response.status)
            last = response.headers.get("Retry-After"), await response.json()
    assert statuses == [200, 200, 429]
    assert last[0] == "5"
    assert last[1]["code"] == "limit-reached"
    async with http.post("/api/move-to-next") as response:
        assert response.status == 200


@pytest.mark.parametrize(
    "more_settings", [{"max_connections": 2}, {"max_connections_per_address": 2}]
)
async def test_so_many_sockets_are_let_in(connect):
    first, _ = await connect(), await connect("/dashboard")
    with pytest.raises(socketio.exceptions.ConnectionError):
        await connect()
    assert (await first.ask("move-to-next"))["ok"]
    await first.client.disconnect()
    for _ in range(50):
        try:
            again = await connect()
            break
        except socketio.exceptions.ConnectionError:
            continue
    assert (await again.ask("state"))["ok"]


async def test_a_program_in_a_loop_is_disconnected_and_nobody_else(connect, monkeypatch):
    # The packet that connects counts too.
    monkeypatch.setattr(socket_server, "PACKET_BURST_MAX", 6.0)
    monkeypatch.setattr(socket_server, "PACKETS_PER_S_MAX", 0.001)
    loud, quiet = await connect(), await connect()
    gone = asyncio.Event()
    loud.client.on("disconnect", lambda *_: gone.set())
    answers = [await loud.ask("state") for _ in range(6)]
    assert [answer["ok"] for answer in answers] == [True] * 5 + [False]
    assert answers[5]["error"]["code"] == "limit-reached"
    await asyncio.wait_for(gone.wait(), PATIENCE)
    assert (await quiet.ask("state"))["ok"]


@pytest.mark.parametrize(
    "frames",
    [
        ["40/dashboard,", "41/dashboard,"],
        ["40/nothing,"],
        ["41"],
        ["3"],
        ["5"],
        ["43[1]"],
        ['42/dashboard,["state"]'],
    ],
)
async def test_every_packet_counts_as_a_message(http, connect, monkeypatch, frames):
    monkeypatch.setattr(socket_server, "PACKET_BURST_MAX", 20.0)
    monkeypatch.setattr(socket_server, "PACKETS_PER_S_MAX", 0.001)
    async with http.ws_connect("/socket.io/?EIO=4&transport=websocket") as ws:
        await ws.send_str("40")
        # What goes out is no more than what was let in: a connection that ends answers no more.
        for number in range(200):
            with contextlib.suppress(ConnectionError, aiohttp.ClientError):
                await ws.send_str(frames[number % len(frames)])
        heard = []
        while (message := await ws.receive(PATIENCE)).type is aiohttp.WSMsgType.TEXT:
            heard.append(message.data)
        assert len(heard) <= 40
    assert (await (await connect()).ask("state"))["ok"]


async def test_packets_that_are_posted_count_too(http, connect, monkeypatch):
    monkeypatch.setattr(socket_server, "PACKET_BURST_MAX", 20.0)
    monkeypatch.setattr(socket_server, "PACKETS_PER_S_MAX", 0.001)
    async with http.get("/socket.io/?EIO=4&transport=polling") as response:
        sid = json.loads((await response.text())[1:])["sid"]
    statuses = []
    for _ in range(3):
        path = f"/socket.io/?EIO=4&transport=polling&sid={sid}"
        async with http.post(
            path, data="\x1e".join(["40/dashboard,", "41/dashboard,"] * 5)
        ) as ours:
            statuses.append(ours.status)
    assert statuses == [200, 200, 429]
    assert (await (await connect()).ask("state"))["ok"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="it is read from /proc")
async def test_a_client_that_asks_without_reading_is_dropped_and_takes_no_memory(tmp_path):
    study = tmp_path / "study.toml"
    big = "x" * 1_500_000
    study.write_text(
        "".join(f'[[blocks]]\nname = "{name}"\nconfig = {{ text = "{big}" }}\n' for name in "AB"),
        encoding="utf-8",
    )
    with server_running(study, "--database", ":memory:") as running:
        raw = await stalled(running.url)
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            for number in range(1_000):
                await asyncio.wait_for(
                    loop.sock_sendall(raw, masked(f'42{number}["all-configs"]'.encode())), PATIENCE
                )
        async with aiohttp.ClientSession(running.url) as http:
            await asyncio.wait_for(no_apps(http), PATIENCE)
        raw.close()
        peak = memory_peak(running.process.pid)
        assert peak < 400, f"{peak} MB, and all answers together are 600 MB and more"
        assert "it stopped reading" in running.errors


def memory_peak(pid):
    """The most memory that a process has had so far, in MB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


async def no_apps(http):
    """Wait until no app is connected."""
    while True:
        async with http.get("/metrics") as response:
            if "experiment_server_sockets_apps 0.0" in await response.text():
                return


@pytest.mark.parametrize("path", ["/api/config", "/api/study/toml"])
async def test_a_body_that_is_too_large_is_refused(http, path):
    method = "PATCH" if path == "/api/config" else "PUT"
    body = io.BytesIO(b"x" * (5 * 1024 * 1024))
    async with http.request(method, path, data=body) as response:
        assert response.status == 413
    async with http.get("/api/state") as response:
        assert response.status == 200


async def test_an_address_that_is_too_long_is_refused(http):
    async with http.get("/api/state?" + "x" * 20_000) as response:
        assert response.status == 400
    async with http.get("/api/state", headers={"X-Long": "x" * 20_000}) as response:
        assert response.status == 400


async def test_a_client_that_stops_reading_is_dropped_and_nobody_waits_for_it(tmp_path):
    study = tmp_path / "study.toml"
    big = "x" * 20_000
    study.write_text(
        "".join(
            f'[[blocks]]\nname = "{name}"\nconfig = {{ text = "{name}{big}" }}\n' for name in "AB"
        ),
        encoding="utf-8",
    )
    async with (
        serving(Settings(study, port=0)) as running,
        aiohttp.ClientSession(running.url) as http,
    ):
        readers = [stalled(running.url) for _ in range(10)]
        streams = [await reader for reader in readers]
        app = PatientClient(reconnection=False)
        heard = asyncio.Queue()
        app.on("block-changed", heard.put_nowait)
        await app.connect(running.url, transports=["websocket"])
        for number in range(700):
            async with http.post(f"/api/move-to-block/{number % 2}") as response:
                assert response.status == 200
            assert (await asyncio.wait_for(heard.get(), PATIENCE))["block_id"] == number % 2
        async with http.get("/metrics") as response:
            text = await response.text()
        assert "experiment_server_sockets_apps 1.0" in text
        await app.disconnect()
        for stream in streams:
            stream.close()


async def stalled(url):
    """A raw connection that takes part as an app does, and then reads nothing more."""
    address = urlsplit(url)
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(raw, (address.hostname, address.port))
    await loop.sock_sendall(
        raw,
        f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {address.netloc}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode(),
    )
    received = b""
    while b"pingInterval" not in received:
        received += await loop.sock_recv(raw, 4096)
    await loop.sock_sendall(raw, masked(b"40" + json.dumps({"participant": 1}).encode()))
    while b"sid" not in received.partition(b"40{")[2]:
        received += await loop.sock_recv(raw, 4096)
    return raw


def masked(text):
    """A short text as a WebSocket client sends it."""
    return bytes([0x81, 0x80 | len(text)]) + b"\0\0\0\0" + text


def drawing(blocks, values):
    """A study with so many blocks, each of which draws so many values."""
    names = [f"b{number}" for number in range(blocks)]
    draw = f'{{ function_name = "choices", args = {{ population = [1, 2], k = {values} }} }}'
    return f"[configuration]\norder = {json.dumps(names)}\n" + "".join(
        f'[[blocks]]\nname = "{name}"\nconfig = {{ x = {draw} }}\n' for name in names
    )


async def verify(http, text):
    async with http.post("/api/verify", data=io.BytesIO(text.encode())) as response:
        assert response.status == 200
        return await response.json()


async def test_a_study_that_takes_too_long_stops_nobody(http, monkeypatch):
    await verify(http, drawing(1, 1))  # what reads studies has been started
    monkeypatch.setattr(parse_worker, "STUDY_PARSE_TIMEOUT_S", 0.5)
    verifying = asyncio.create_task(verify(http, drawing(2_000, 100_000)))
    moves = 0
    while not verifying.done():
        async with http.post(f"/api/move-to-block/{moves % 2}") as response:
            assert response.status == 200
        moves += 1
    outcome = await verifying
    assert [item["code"] for item in outcome["diagnostics"]] == ["study-too-large"]
    assert (outcome["ok"], outcome["orders"], outcome["affected"]) == (False, [], None)
    # In half a second a server that is not stopped does much else.
    assert moves > 10
    monkeypatch.undo()
    assert (await verify(http, drawing(2, 3)))["ok"]


@pytest.fixture
def patient_parser(monkeypatch):
    """Reading may take longer than in a study, so that other bounds are met first."""
    monkeypatch.setattr(parse_worker, "STUDY_PARSE_TIMEOUT_S", PATIENCE)


@pytest.mark.usefixtures("patient_parser")
async def test_what_draws_too_much_for_everybody_is_an_error_of_the_study(http):
    outcome = await verify(http, drawing(10, 100_000))
    (error,) = [item for item in outcome["diagnostics"] if item["severity"] == "error"]
    assert error["code"] == "study-too-large"
    assert "500,000 values" in error["message"]


@pytest.mark.usefixtures("patient_parser")
async def test_a_study_that_is_too_large_is_not_saved(http, study_file):
    before = study_file.read_text(encoding="utf-8")
    text = drawing(10, 100_000).encode()
    async with http.put("/api/study/toml", data=text, headers={"If-Match": "*"}) as response:
        assert response.status == 422
        assert (await response.json())["code"] == "study-invalid"
    assert study_file.read_text(encoding="utf-8") == before


@pytest.mark.usefixtures("patient_parser")
async def test_a_file_of_twenty_thousand_mistakes_is_told_in_a_few(http):
    outcome = await verify(http, "".join(f"mistake{number} = 1\n" for number in range(20_000)))
    assert len(outcome["diagnostics"]) == 501, "the unknown keys, and that blocks are missing"
