"""Every field of every operation, over every transport, with what no field can be.

The fields are those of the table of operations, so that a new one is sent the same by itself.
"""

import asyncio
import contextlib
import json
from urllib.parse import quote_from_bytes, urlsplit

import aiohttp
import msgpack
import pytest

from experiment_server.server.rest import paths
from experiment_server.session.operations import Kind, Location
from experiment_server.session.session import OPERATIONS
from tests.cli.test_stored import cli
from tests.conftest import server_running
from tests.server.test_access import arguments_of
from tests.waiting import PATIENCE

# No Unicode, or nothing that a database and every client can keep: always refused.
NO_TEXTS = {
    "half a pair": "a\ud800",
    "the other half": "\udfffa",
    "two halves in the wrong order": "\udc00\ud800",
    "NUL": "\0",
    "NUL inside": "a\0b",
}
ODD_TEXTS = {
    "nothing": "",
    "much": "x" * 20_000,
    "many bytes": "\U0001f600" * 2_000,
    "written backwards": "\u202eabc",
    "control characters": "\x01\x1b[2J\x7f\x85",
    "line breaks": "a\r\nSet-Cookie: b=c\r\n\r\n",
    "a path": "../../../etc/passwd",
    "no digits": "\u0661\u0662",
}
NUMBERS = {
    f"{number:.3g}" if isinstance(number, float) else f"{number:e}": number
    for number in (
        0, -1, 2**31 - 1, 2**31, 2**32, 2**53 - 1, 2**53, 2**62, 2**63 - 1, 2**63, 2**64,
        -(2**31) - 1, -(2**63) - 1, 10**30, 1.5, 1e308, -0.0,
        float("nan"), float("inf"), float("-inf"),
    )
}  # fmt: skip
VALUES = {"yes": True, "a list": [1], "an object": {"a": 1}, "null": None}
NO_NUMBERS = {"2^63": 2**63, "2^64": 2**64, "NaN": float("nan"), "infinity": float("inf")}


def nested(depth):
    value = {}
    for _ in range(depth):
        value = {"a": value}
    return value


def a_record(record_id, data):
    return {"record_id": record_id, "block_id": 0, "revision": 1, "data": data}


def sent_to(kind):
    """What is sent to a field of a kind, by name, and whether it has to be refused."""
    if kind is Kind.TEXT:
        yield from ((name, text, True) for name, text in NO_TEXTS.items())
        yield from ((name, text, False) for name, text in ODD_TEXTS.items())
    elif kind is Kind.OBJECT:
        for name, text in NO_TEXTS.items():
            yield f"{name} in a value", {"a": text}, True
            yield f"{name} in a key", {text: 1}, True
            yield f"{name} far inside", {"a": [{"b": {text: [text]}}]}, True
        yield from ((f"{name} in a value", {"a": [n]}, True) for name, n in NO_NUMBERS.items())
        yield "too deep", nested(400), True
        yield from ((f"{name} in a value", {"a": text}, False) for name, text in ODD_TEXTS.items())
    elif kind is Kind.LIST:
        for name, value, refused in sent_to(Kind.OBJECT):
            yield f"{name} as data", [a_record("a-2", value)], refused
        for name, text in NO_TEXTS.items():
            yield f"{name} as an id", [a_record(text, {})], True
        yield from (
            (f"{name} as an id", [a_record(text, {})], False) for name, text in ODD_TEXTS.items()
        )
        for number in NO_NUMBERS.values():
            yield f"{number} as a clock", [{**a_record("a-3", {}), "clock_offset_ms": number}], True
        yield "no records", [{}, 1, None], True
    yield from ((name, number, False) for name, number in NUMBERS.items())
    yield from ((name, value, False) for name, value in VALUES.items())


def calls():
    """Each call: what it is for people, its operation, its arguments, and whether it is refused."""
    for operation in OPERATIONS.values():
        fields = [(item.name, item.kind) for item in operation.parameters]
        if operation.changes:
            fields.append(("request_id", Kind.TEXT))
        for field, kind in fields:
            for name, value, refused in sent_to(kind):
                if refused or operation.name != "shutdown":
                    given = {**arguments_of(operation), field: value}
                    yield f"{operation.name}, {field}: {name}", operation, given, refused


def as_bytes(value):
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "surrogatepass")


def request_of(operation, given):
    """A call as HTTP, with whatever bytes."""
    given = dict(given)
    key = given.pop("request_id", None)
    path = next(path for path in paths(operation) if path.count("{") == most_in_path(operation))
    texts = {name: quote_from_bytes(as_bytes(value), safe="") for name, value in given.items()}
    path = path.format(**texts)
    query, headers, body, members = [], [], b"", {}
    for item in operation.parameters:
        if item.name not in given:
            continue
        value = as_bytes(given[item.name])
        if item.location is Location.QUERY:
            query.append(f"{item.name}={texts[item.name]}")
        elif item.location is Location.BODY:
            body = value if item.kind is Kind.TEXT else json.dumps(given[item.name]).encode()
        elif item.location is Location.BODY_MEMBER:
            members[item.name] = given[item.name]
        elif item.location is Location.IF_MATCH:
            headers.append(b'If-Match: "' + value + b'"')
    if members:
        headers.append(b"Content-Type: application/json")
        whole = {
            item.name: given[item.name]
            for item in operation.parameters
            if item.location is Location.BODY and item.name in given
        }
        body = json.dumps({**whole, **members}).encode()
    if key is not None:
        headers.append(b"Idempotency-Key: " + as_bytes(key))
    target = path + ("?" + "&".join(query) if query else "")
    lines = [
        f"{operation.method} {target} HTTP/1.1".encode(),
        b"Host: 127.0.0.1",
        b"Connection: close",
        b"Content-Length: %d" % len(body),
        *headers,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def most_in_path(operation):
    return max(path.count("{") for path in paths(operation))


async def by_rest(url, operation, given):
    """The code of the refusal, the status where it is none of ours, None for none."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(request_of(operation, given))
        answer = await asyncio.wait_for(reader.read(), PATIENCE)
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    if status < 400:
        return None
    code = json.loads(body)["code"] if b"problem+json" in head else f"http-{status}"
    return "internal-error" if status >= 500 else code


class Socket:
    """A dashboard over a raw WebSocket; asks come back as what they were refused with."""

    ASKS = 150
    """How many one connection makes, before its allowance is used up."""

    def __init__(self, http, path):
        self._http = http
        self._path = path
        self._ws = None
        self._asked = 0

    async def ask(self, operation, given):
        if self._ws is None or self._asked == self.ASKS:
            await self._connect()
        self._asked += 1
        packet = self._packet(self._asked, [operation.name, given])
        await (self._ws.send_bytes if isinstance(packet, bytes) else self._ws.send_str)(packet)
        while True:
            message = await self._ws.receive(PATIENCE)
            if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                self._ws = None
                return "ended"
            answer = self._answer(message.data, self._asked)
            if answer is not None:
                return None if answer["ok"] else answer["error"]["code"]

    async def close(self):
        if self._ws is not None:
            await self._ws.close()

    async def _connect(self):
        await self.close()
        self._asked = 0
        self._ws = await self._http.ws_connect(
            f"/{self._path}/?EIO=4&transport=websocket", max_msg_size=0
        )
        await self._ws.receive(PATIENCE)
        await self._greet()
        await self._ws.receive(PATIENCE)


class JsonSocket(Socket):
    async def _greet(self):
        await self._ws.send_str("40/dashboard,")

    def _packet(self, number, data):
        return f"42/dashboard,{number}{json.dumps(data)}"

    def _answer(self, data, number):
        before = f"43/dashboard,{number}["
        return json.loads(data[len(before) - 1 :])[0] if data.startswith(before) else None


class MsgpackSocket(Socket):
    async def _greet(self):
        await self._ws.send_bytes(msgpack.packb({"type": 0, "nsp": "/dashboard"}))

    def _packet(self, number, data):
        packet = {"type": 2, "nsp": "/dashboard", "id": number, "data": data}
        return msgpack.packb(packet, unicode_errors="surrogatepass")

    def _answer(self, data, number):
        answer = msgpack.unpackb(data) if isinstance(data, bytes) else {}
        return answer["data"][0] if (answer.get("type"), answer.get("id")) == (3, number) else None


@contextlib.asynccontextmanager
async def asking(transport, url):
    """What makes calls over a transport: `await ask(operation, given)`."""
    if transport == "rest":
        yield lambda operation, given: by_rest(url, operation, given)
        return
    async with aiohttp.ClientSession(url) as http:
        kind = MsgpackSocket if "msgpack" in transport else JsonSocket
        socket = kind(http, transport)
        yield socket.ask
        await socket.close()


def is_as_expected(transport, outcome, refused):
    if outcome == "internal-error":
        return False
    # What MessagePack cannot say at all ends the connection that says it.
    if transport == "socket.io-msgpack" and outcome == "ended":
        return refused
    return outcome is not None and outcome != "ended" if refused else outcome != "ended"


@pytest.mark.parametrize("transport", ["rest", "socket.io", "socket.io-msgpack"])
async def test_no_field_takes_what_it_cannot_keep_and_nothing_fails(study_file, transport):
    with server_running(study_file) as server:
        async with asking(transport, server.url) as ask:
            await ask(OPERATIONS["add-participant"], {"participant_index": 2})
            await ask(OPERATIONS["move-to-block"], {"participant_index": 2, "block_id": 0})
            for operation in OPERATIONS.values():
                if operation.name != "shutdown":
                    outcome = await ask(operation, arguments_of(operation))
                    assert outcome is None, f"{operation.name}, which is in order"
            wrong = []
            for name, operation, given, refused in calls():
                try:
                    outcome = await ask(operation, given)
                except OverflowError:
                    continue  # MessagePack has no such number
                if not is_as_expected(transport, outcome, refused):
                    wrong.append(f"{name} -> {outcome}")
            assert not wrong, "\n".join(wrong)
        async with aiohttp.ClientSession(server.url) as http:
            async with http.get("/readyz") as response:
                assert response.status == 200
            async with http.post("/api/move-to-block/1") as response:
                assert response.status == 200
        server.process.terminate()
        server.process.communicate(timeout=PATIENCE)
        assert "Traceback" not in server.errors
        assert server.process.returncode == 0
    cli("events", study_file, "--check")
