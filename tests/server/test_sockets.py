"""What a client does to the Socket.IO endpoints ends with it, and leaves nothing behind."""

import asyncio
import json
import logging

import aiohttp
import msgpack
import pytest

from experiment_server.limits.network import APP_MESSAGE_MAX_BYTES, APP_MESSAGE_PIECE_BYTES
from experiment_server.server import socket_server
from experiment_server.session import views
from experiment_server.session.requests import BY_SERVER
from tests.waiting import PATIENCE

PACKETS = {
    "an empty packet": "4",
    "no packet": "x",
    "a type that Engine.IO has not": "9",
    "too deep": "42" + "[" * 5000,
    "an event without a list": '42{"a":1}',
    "an event without a name": "42[1]",
    "a disconnection as an event": '42["disconnect","x"]',
    "a connection as an event": '42["connect",{}]',
    "attachments": '451-["state",{"_placeholder":true,"num":0}]',
    "auth that is a list": "40/dashboard,[1]",
    "an acknowledgement without a list": "43{}",
}
MESSAGEPACKS = {
    "no MessagePack": b"\xc1",
    "no map": msgpack.packb([1]),
    "no namespace": msgpack.packb({"type": 2, "data": ["state"]}),
    "a type that Socket.IO has not": msgpack.packb({"type": 9, "nsp": "/"}),
    "a namespace that is no text": msgpack.packb({"type": 2, "nsp": [], "data": ["state"]}),
    "an id that is no number": msgpack.packb({"type": 2, "nsp": "/", "data": ["state"], "id": {}}),
    "a disconnection as an event": msgpack.packb({"type": 2, "nsp": "/", "data": ["disconnect"]}),
}


@pytest.fixture
async def raw(http):
    """Opens WebSockets without a client library, as participant 1's app unless told otherwise."""

    async def open_socket(path="socket.io", hello="40"):
        ws = await http.ws_connect(f"/{path}/?EIO=4&transport=websocket")
        await ws.receive(PATIENCE)
        if hello:
            await send(ws, hello)
            await ws.receive(PATIENCE)
        return ws

    return open_socket


async def send(ws, frame):
    await (ws.send_bytes if isinstance(frame, bytes) else ws.send_str)(frame)


async def ended(ws):
    """Read until the connection has been ended from the other side."""
    going_on = (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)
    while (await ws.receive(PATIENCE)).type in going_on:
        pass


async def sockets(http):
    async with http.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    return next(
        float(line.split()[1]) for line in lines if "sockets_apps" in line and line[0] != "#"
    )


@pytest.mark.parametrize("frame", PACKETS.values(), ids=PACKETS)
async def test_a_packet_that_is_none_ends_its_connection(raw, http, caplog, frame):
    ws, other = await raw(), await raw()
    await send(ws, frame)
    await ended(ws)
    await no_traces(http, caplog, other, '420["block-id"]', '430[{"ok":true,"data":-1}]')


@pytest.mark.parametrize("frame", MESSAGEPACKS.values(), ids=MESSAGEPACKS)
async def test_so_does_one_in_messagepack(raw, http, caplog, frame):
    hello = msgpack.packb({"type": 0, "nsp": "/"})
    ws, other = [await raw("socket.io-msgpack", hello) for _ in range(2)]
    await send(ws, frame)
    await ended(ws)
    ask = msgpack.packb({"type": 2, "nsp": "/", "data": ["block-id"], "id": 0})
    answer = {"type": 3, "data": [{"ok": True, "data": -1}], "nsp": "/", "id": 0}
    await no_traces(http, caplog, other, ask, msgpack.packb(answer))


async def no_traces(http, caplog, other, ask, answer):
    assert await sockets(http) == 1
    await other.receive(PATIENCE)  # the state that greets
    await send(other, ask)
    assert (await other.receive(PATIENCE)).data == answer
    # One line says why, and no bug was met.
    said = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert ["sent invalid Socket.IO data" in record.getMessage() for record in said] == [True]
    assert not said[0].exc_info
    await other.close()


async def test_a_connection_that_says_nothing_is_ended(raw, monkeypatch):
    monkeypatch.setattr(socket_server, "CONNECT_PACKET_TIMEOUT_S", 0.05)
    silent, parting, app = await raw(hello=None), await raw(), await raw()
    await send(parting, "41")
    await ended(silent)
    await ended(parting)
    await send(app, '420["block-id"]')
    while (heard := (await app.receive(PATIENCE)).data) != '430[{"ok":true,"data":-1}]':
        assert heard.startswith("42")


class Poller:
    """A client that only polls."""

    def __init__(self, http, sid):
        self._http = http
        self._path = f"/socket.io/?EIO=4&transport=polling&sid={sid}"

    @classmethod
    async def connected(cls, http, namespace=""):
        async with http.get("/socket.io/?EIO=4&transport=polling") as response:
            poller = cls(http, json.loads((await response.text())[1:])["sid"])
        await poller.post(f"40{namespace}")
        await poller.read(lambda packet: packet.startswith("42"))
        return poller

    async def post(self, body):
        timeout = aiohttp.ClientTimeout(PATIENCE)
        async with self._http.post(self._path, data=body, timeout=timeout) as response:
            return response.status, await response.text()

    async def codings(self, wanted):
        """Poll until such a packet comes, and return how the answers since were packed."""
        await self.read(wanted)
        return self._codings

    async def read(self, wanted):
        """Poll until such a packet comes, and return all those since."""
        packets, self._codings = [], set()
        while not any(map(wanted, packets)):
            timeout = aiohttp.ClientTimeout(PATIENCE)
            async with self._http.get(self._path, timeout=timeout) as response:
                packets += (await response.text()).split("\x1e")
                self._codings.add(response.headers.get("Content-Encoding"))
        return packets


async def test_a_polling_client_may_send_much_together(http):
    poller = await Poller.connected(http)
    asks = [f'42{number}["block-id"]' for number in range(100)]
    assert await poller.post("\x1e".join(asks)) == (200, "OK")
    answers = await poller.read(lambda packet: packet.startswith("4399["))
    assert sorted(answers) == sorted(f'43{n}[{{"ok":true,"data":-1}}]' for n in range(100))


async def test_nothing_waits_for_a_dashboard_that_left_while_it_was_greeted(
    http, server, monkeypatch
):
    monkeypatch.setattr(views, "MESSAGE_BLOCK_NAMES_MAX", 0)
    for _ in range(3):
        await server.session.new_participant(BY_SERVER)
    poller = await Poller.connected(http, "/dashboard,")

    def overviews():
        return {task for task in asyncio.all_tasks() if task.get_name() == "send-overview"}

    (waiting,) = overviews()
    assert await poller.post("1") == (200, "OK")
    await asyncio.wait_for(waiting, PATIENCE)


async def test_a_large_message_of_a_polling_dashboard_arrives_whole(http):
    poller = await Poller.connected(http, "/dashboard,")
    ask = json.dumps(["block-id", {"text": "x" * 1_000_000}])
    assert await poller.post(f"42/dashboard,7{ask}") == (200, "OK")
    (answer,) = await poller.read(lambda packet: packet.startswith("43/dashboard,7["))
    assert "parameter-invalid" in answer


LARGE = json.dumps(["state", {"reason": "x" * APP_MESSAGE_MAX_BYTES}])


@pytest.mark.parametrize(
    ("hello", "frame"), [(None, '40{"token":' + LARGE + "}"), ("40", f"42{LARGE}")]
)
async def test_an_app_or_nobody_sends_nothing_large(raw, http, caplog, hello, frame):
    """Reading it takes time from everybody, and no app has so much to say."""
    large, other = await raw(hello=hello), await raw()
    await send(large, frame)
    await ended(large)
    await no_traces(http, caplog, other, '420["block-id"]', '430[{"ok":true,"data":-1}]')


async def test_neither_does_one_that_polls(http):
    poller = await Poller.connected(http)
    status, answer = await poller.post(f"42{LARGE}")
    assert status == 413, answer
    path = "/socket.io/?EIO=4&transport=polling"
    for nobody in (path, f"{path}&sid=unknown"):
        async with http.post(nobody, data=f"42{LARGE}") as response:
            assert response.status == 413


async def test_a_dashboard_saves_a_study_over_its_socket(raw):
    dashboard = await raw(hello="40/dashboard,")
    await send(dashboard, "42/dashboard,1" + json.dumps(["verify", {"text": "#" * 3_000_000}]))
    while not (heard := (await dashboard.receive(PATIENCE)).data).startswith("43/dashboard,1["):
        assert heard.startswith("42")
    assert '"ok":true' in heard


async def test_large_messages_count_as_many(raw, monkeypatch):
    monkeypatch.setattr(socket_server, "PACKETS_PER_S_MAX", 0.001)
    app = await raw()
    # The fourth is too many of 200.
    for _ in range(4):
        await send(app, f'420["block-id",{{"reason":"{"x" * 60 * APP_MESSAGE_PIECE_BYTES}"}}]')
    while '"limit-reached"' not in (heard := (await app.receive(PATIENCE)).data):
        assert heard.startswith("42") or "parameter-invalid" in heard
    await ended(app)


@pytest.mark.parametrize("frame", [b"", b"x" * 125], ids=["empty", "full"])
async def test_pings_of_the_websocket_are_answered_and_count(raw, monkeypatch, frame):
    monkeypatch.setattr(socket_server, "PACKETS_PER_S_MAX", 0.001)
    app = await raw()
    app._autoping = False  # so that pongs are seen
    await app.ping(frame)
    while (heard := await app.receive(PATIENCE)).type is not aiohttp.WSMsgType.PONG:
        assert heard.type is aiohttp.WSMsgType.TEXT
    assert heard.data == frame
    for _ in range(100):
        await app.ping(frame)
        await app.pong(frame)
    while (heard := await app.receive(PATIENCE)).type is aiohttp.WSMsgType.PONG:
        pass
    assert heard.type is not aiohttp.WSMsgType.TEXT


async def test_messages_are_not_compressed(http):
    # A few kilobytes of them would unpack to megabytes, and packing takes time from everybody.
    poller = await Poller.connected(http)
    for number in range(100):
        await poller.post(f'42{number}["all-configs"]')
    assert await poller.codings(lambda packet: packet.startswith("4399[")) == {None}
    path = "/socket.io/?EIO=4&transport=websocket"
    async with http.ws_connect(path, compress=15) as ws:
        assert not ws.compress


@pytest.mark.parametrize(
    "body",
    [
        *("x", "9", "4\x1ex", b"\xff\xfe", "d=", "42[" + "\x1e4" * 300),
        # What only servers or WebSockets send; the library would never answer.
        *("0", "2", "2probe", "5", "6", "42\x1e2"),
    ],
)
async def test_a_polling_client_that_posts_no_packets_is_told_so(http, caplog, body):
    poller = await Poller.connected(http)
    status, answer = await poller.post(body)
    assert status == 400
    assert json.loads(answer)["code"] == "parameter-invalid"
    assert await poller.post('420["block-id"]') == (200, "OK")
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_polling_client_that_posts_after_its_goodbye_is_told_so(http, caplog):
    poller = await Poller.connected(http)
    assert await poller.post("1") == (200, "OK")
    for _ in range(2):
        status, answer = await poller.post('420["block-id"]')
        assert status == 400, answer
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_polling_client_cannot_post_without_end(http):
    poller = await Poller.connected(http)

    async def endless():
        for _ in range(6):
            yield b"x" * 1024 * 1024

    status, _ = await poller.post(endless())
    assert status == 413


def tasks():
    """What runs, without the pings that the library still sleeps over: they end by themselves."""
    running = [str(task) for task in asyncio.all_tasks()]
    return [task for task in running if "_send_ping" not in task]


async def test_no_task_outlives_a_connection(raw, http):
    kept = await raw()  # with the first, Socket.IO begins to look after its sockets
    await sockets(http)
    before = len(tasks())
    for frame in [*PACKETS.values(), "1", "41", '42["state"]']:
        ws = await raw()
        await send(ws, frame)
        await ws.close()

    async def calm():
        # This is a task too.
        while await sockets(http) > 1 or len(tasks()) > before + 1:
            pass

    await asyncio.wait_for(calm(), PATIENCE)
    await kept.close()
