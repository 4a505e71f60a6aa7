"""What no client could be told again is refused at every door, by name, and stops nobody."""

import asyncio
import contextlib
import json
import re
import sqlite3

import aiohttp
import msgpack
import pytest

from experiment_server.server.app import serving
from experiment_server.server.settings import Settings
from experiment_server.study.source import digest_of
from tests.conftest import SMALL_STUDY, server_running
from tests.requests import send
from tests.waiting import PATIENCE

HALF = "\ud800"
MOVE = ("POST", "/api/move-to-next")


async def assert_well(http, revision):
    """Others are served, and nobody was changed by what was refused."""
    assert await send(http, "GET", "/readyz") == (200, {"status": "ready"})
    status, state = await send(http, "GET", "/api/state")
    assert (status, state["revision"]) == (200, revision)
    assert (await send(http, "GET", "/api/events"))[0] == 200


ASKED = [
    ("move-to-next", {"reason": HALF}, "reason"),
    ("move-to-next", {"reason": "a\0b"}, "reason"),
    ("move-to-next", {"request_id": HALF}, "request_id"),
    ("move-to-next", {"request_id": "a\0"}, "request_id"),
    ("undo", {"reason": HALF}, "reason"),
    ("update-config", {"patch": {"a": [1, {"b": HALF}]}}, "patch.a[1].b"),
    ("update-config", {"patch": {"a": {HALF: 1}}}, "patch.a"),
    ("update-config", {"patch": {"a\0": 1}}, "patch"),
    ("update-config", {"patch": {"a": 2**64}}, "patch.a"),
    ("update-config", {"patch": {"a": -(2**63) - 1}}, "patch.a"),
    ("update-config", {"patch": {"a": float("nan")}}, "patch.a"),
    ("save-study", {"text": f"# {HALF}", "made_from": "*"}, "text"),
    ("save-study", {"text": "# \0", "made_from": "*"}, "text"),
    ("save-study", {"text": "", "made_from": HALF}, "made_from"),
    ("save-study", {"text": SMALL_STUDY, "made_from": "*", "reason": HALF}, "reason"),
    ("verify", {"text": HALF}, "text"),
    ("state", {HALF: 1}, "state has the key"),
]


@pytest.mark.parametrize(("operation", "payload", "named"), ASKED)
async def test_a_socket_is_refused_what_no_client_could_be_told(
    connect, http, operation, payload, named
):
    await send(http, *MOVE)
    dashboard = await connect("/dashboard")
    answer = await dashboard.ask(operation, {"participant_index": 1, **payload})
    assert answer["error"]["code"] == "parameter-invalid"
    assert named in answer["error"]["message"]
    await assert_well(http, revision=1)


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        ({"reason": "a\0b"}, "reason"),
        ({"request_id": "\0"}, "request_id"),
        ({"reason": b"bytes"}, "reason"),
        ({"from_block": 2**64 - 1}, "from_block"),
    ],
)
async def test_a_messagepack_socket_is_refused_it_too(connect, http, payload, named):
    app = await connect("/", path="socket.io-msgpack")
    answer = await app.ask("move-to-next", payload)
    assert answer["error"]["code"] == "parameter-invalid"
    assert named in answer["error"]["message"]
    assert (await app.ask("move-to-next"))["data"]["block_id"] == 0
    await assert_well(http, revision=1)


@pytest.mark.parametrize(
    ("method", "path", "options", "named"),
    [
        (*MOVE, {"headers": {"Idempotency-Key": HALF}}, "Idempotency-Key"),
        ("PATCH", "/api/config", {"json": {"a": {"b": HALF}}}, "patch.a.b"),
        ("PATCH", "/api/config", {"json": {HALF: 1}}, "patch"),
        ("PATCH", "/api/config", {"json": {"a": "\0"}}, "patch.a"),
        ("PATCH", "/api/config", {"json": {"a": 2**64}}, "patch.a"),
        ("PATCH", "/api/config", {"data": b'{"a": 1e999}'}, "patch.a"),
        ("PATCH", "/api/config", {"data": b"[" * 100 + b"]" * 100}, "patch"),
        ("PATCH", "/api/config", {"json": {"a": 1}, "params": {"reason": "\0"}}, "reason"),
        ("POST", "/api/move-to-next?reason=%00", {}, "reason"),
        ("POST", "/api/undo?reason=a%00", {}, "reason"),
        ("PUT", "/api/study/toml", {"data": b"# \0", "headers": {"If-Match": "*"}}, "text"),
        ("PUT", "/api/study/toml", {"data": b"# \xed\xa0\x80"}, "UTF-8"),
        ("PUT", "/api/study/toml", {"data": b"#", "headers": {"If-Match": HALF}}, "made_from"),
        ("POST", "/api/verify", {"data": b"a = '\0'"}, "text"),
    ],
)
async def test_rest_is_refused_what_no_client_could_be_told(
    server, http, method, path, options, named
):
    await send(http, *MOVE)
    status, problem = await request_with_bytes(http, method, path, options)
    assert (status, problem["code"]) == (400, "parameter-invalid")
    assert named in problem["detail"]
    await assert_well(http, revision=1)


async def request_with_bytes(http, method, path, options):
    """A request as `aiohttp` will not send it: with the bytes of half a pair in a header."""
    headers = options.get("headers", {})
    if HALF not in "".join(headers.values()):
        return await send(http, method, path, **options)
    url = http._base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    body = options.get("data", b"")
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}", "", ""]
    writer.write("\r\n".join(lines).encode("utf-8", "surrogatepass") + body)
    answer = await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    head, _, text = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(text)


@pytest.mark.parametrize(
    "target",
    [
        b"/api/\xed\xa0\x80",
        b"/api/%ED%A0%80",
        b"/api/state/\xed\xa0\x80",
        b"/api/state/%ED%A0%80",
        b"/api/state/%00",
        b"/api/events?\xed\xa0\x80=1",
        b"/api/events?%ED%A0%80=1",
        b"/api/events?limit=\xed\xa0\x80",
        b"/api/events?limit=%00",
    ],
)
async def test_no_address_is_more_than_refused(server, http, target):
    reader, writer = await asyncio.open_connection("127.0.0.1", http._base_url.port)
    writer.write(b"GET " + target + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    assert re.match(rb"HTTP/1.[01] 4\d\d ", answer), answer
    answer.partition(b"\r\n\r\n")[2].decode("utf-8")
    await assert_well(http, revision=0)


async def test_a_largest_number_reaches_every_app(connect, http):
    apps = [await connect("/", path=path) for path in ("socket.io", "socket.io-msgpack")]
    await send(http, *MOVE)
    largest = {"most": 2**63 - 1, "least": -(2**63)}
    status, config = await send(http, "PATCH", "/api/config", json=largest)
    assert status == 200
    assert config.items() >= largest.items()
    for app in apps:
        snapshot = await app.until("config-changed")
        assert snapshot["config"].items() >= largest.items()
    async with http.get("/api/state", headers={"Accept": "application/msgpack"}) as response:
        assert msgpack.unpackb(await response.read())["config"].items() >= largest.items()


async def test_a_study_file_with_what_no_client_could_read_is_refused(http, study_file):
    for value, line in ((f'"{chr(92)}u0000"', "NUL"), (str(2**64), "64 bits"), ("inf", "inf")):
        text = SMALL_STUDY.replace("speed = 1", f"speed = {value}")
        made_from = {"If-Match": digest_of(SMALL_STUDY)}
        status, problem = await send(
            http, "PUT", "/api/study/toml", data=text.encode(), headers=made_from
        )
        assert (status, problem["code"]) == (422, "study-invalid")
        assert line in problem["detail"]
    assert study_file.read_text("utf-8") == SMALL_STUDY


@contextlib.contextmanager
def locked(database):
    """The database, locked by another program."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.rollback()
        connection.close()


async def test_a_server_whose_store_does_not_answer_is_not_ready(study_file):
    async with (
        serving(Settings(study_file, port=0)) as running,
        aiohttp.ClientSession(running.url) as http,
    ):
        with locked(study_file.with_suffix(".sqlite3")):
            status, said = await asyncio.wait_for(send(http, "GET", "/readyz"), PATIENCE)
            assert (status, said["status"]) == (503, "the database does not answer")
            assert (await send(http, "GET", "/healthz"))[0] == 200
        assert await send(http, *MOVE) == (200, {"name": "Hello"})
        assert (await send(http, "GET", "/readyz"))[0] == 200


def test_a_server_whose_store_does_not_answer_stops(study_file):
    with (
        server_running(study_file) as server,
        locked(study_file.with_suffix(".sqlite3")),
    ):
        server.process.terminate()
        server.process.communicate(timeout=PATIENCE)
        assert server.process.returncode == 0
        assert "Traceback" not in server.errors
