"""What is sent to a socket, as the libraries would send it, and in order."""

import asyncio
import inspect
import re

import msgpack
import pytest
from engineio import async_server, async_socket
from engineio import packet as engine_packet
from socketio import msgpack_packet, packet

from experiment_server.server import outgoing
from experiment_server.server.frames import JSON, MSGPACK
from experiment_server.server.outgoing import OutgoingQueue, Push, websocket_frame
from tests.waiting import PATIENCE


def message(text):
    return engine_packet.Packet(engine_packet.MESSAGE, data=text)


class Transport:
    """A connection whose client has read all but so many bytes."""

    def __init__(self):
        self.unread = 0
        self.written = []

    def get_write_buffer_size(self):
        return self.unread

    def is_closing(self):
        return False

    def write(self, frame):
        self.written.append(frame)


class Socket:
    upgraded = True


@pytest.fixture
def transport():
    return Transport()


@pytest.fixture
def queue(transport):
    made = OutgoingQueue()
    made.attach(transport, Socket())
    return made


def test_the_library_asks_nothing_of_a_queue_that_ours_does_not_have():
    used = set(re.findall(r"\bqueue\.(\w+)", inspect.getsource(async_socket)))
    assert used == {"get", "get_nowait", "join", "put", "put_nowait", "task_done"}
    assert "queue" not in re.findall(r"\.(\w+)\.\w+\(", inspect.getsource(async_server))
    assert all(hasattr(OutgoingQueue, name) for name in used)


@pytest.mark.parametrize("namespace", ["/", "/dashboard"])
@pytest.mark.parametrize("payload", [None, {"block_id": 1, "name": "größer"}, [1, {}]])
def test_an_event_is_the_librarys(namespace, payload):
    data = ["block-changed"] if payload is None else ["block-changed", payload]
    ours = JSON.push(namespace, "block-changed", payload)
    read = packet.Packet(encoded_packet=ours.packet().data)
    assert (read.packet_type, read.namespace or "/", read.data) == (packet.EVENT, namespace, data)
    assert ours.frame == websocket_frame(ours.packet().encode())
    theirs = msgpack_packet.MsgPackPacket(packet.EVENT, data=data, namespace=namespace)
    ours = MSGPACK.push(namespace, "block-changed", payload)
    assert msgpack.loads(ours.packet().encode()) == msgpack.loads(theirs.encode())
    assert ours.frame == websocket_frame(ours.packet().encode())


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
@pytest.mark.parametrize(("kind", "opcode"), [(str, 1), (bytes, 2)])
def test_a_frame_says_its_kind_and_its_length(size, kind, opcode):
    frame = websocket_frame("x" * size if kind is str else b"x" * size)
    length, start = frame[1], 2
    if length in (126, 127):
        start = 4 if length == 126 else 10
        length = int.from_bytes(frame[2:start], "big")
    assert frame[0] == 0x80 | opcode
    assert length == size
    assert frame[start:] == b"x" * size


async def test_a_message_goes_straight_to_a_socket_that_has_taken_all_before(queue, transport):
    queue.put_nowait(message("first"))
    assert (await queue.get()).data == "first"
    queue.get()
    queue.put_nowait(message("second"))
    queue.push(Push(b"third", is_binary=False))
    assert transport.written == [websocket_frame("4second"), websocket_frame("4third")]


async def test_a_message_waits_behind_what_waits(queue, transport):
    writer = queue.get()
    transport.unread = 1
    queue.push(Push(b"first", is_binary=False))
    transport.unread = 0
    queue.push(Push(b"second", is_binary=False))
    assert (await writer).data == "first"
    assert (await queue.get()).data == "second"
    assert transport.written == []


async def test_who_gave_up_waiting_takes_no_packet(queue):
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(queue.get(), 0.001)
    queue.put_nowait(engine_packet.Packet(engine_packet.PING))
    assert queue.get_nowait().packet_type == engine_packet.PING
    with pytest.raises(asyncio.QueueEmpty):
        queue.get_nowait()


async def test_a_queue_is_joined_once_every_packet_is_taken_care_of(queue):
    await queue.join()
    for text in ("first", "second"):
        await queue.put(message(text))
    joined = asyncio.ensure_future(queue.join())
    for _ in range(2):
        assert not joined.done()
        await queue.get()
        queue.task_done()
    await joined


async def test_nobody_waits_for_a_client_that_has_gone(queue):
    await queue.put(message("never read"))
    joined = asyncio.ensure_future(queue.join())
    await asyncio.sleep(0)
    queue.release()
    await asyncio.wait_for(joined, PATIENCE)


@pytest.mark.parametrize(
    ("limit", "texts"),
    [("SEND_QUEUE_MAX", ["a", "b", "c"]), ("SEND_QUEUE_MAX_BYTES", ["large" * 9, "a", "bb"])],
)
def test_a_queue_that_grows_too_long_says_so_once(queue, monkeypatch, limit, texts):
    monkeypatch.setattr(outgoing, limit, 2)
    overflows = []
    queue.on_overflow = lambda: overflows.append(texts)
    for number, text in enumerate(texts, start=1):
        queue.put_nowait(message(text))
        assert len(overflows) == (number == len(texts))
    queue.put_nowait(message("more"))
    assert len(overflows) == 1
