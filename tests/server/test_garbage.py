"""Whatever a client sends, the server answers others afterwards, and no bug shows in its log."""

import asyncio
import json

import aiohttp
import msgpack
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from experiment_server.session.session import OPERATIONS
from tests.conftest import SMALL_STUDY, server_running
from tests.waiting import PATIENCE

TEXT = st.text(st.characters(codec="utf-8"), max_size=5)
ANY_TEXT = st.text(st.characters(), max_size=8)  # with halves of pairs, and NUL
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner),
    max_leaves=8,
)
NAMES = st.sampled_from([name for name in OPERATIONS if name != "shutdown"]) | ANY_TEXT
FIELDS = {item.name for operation in OPERATIONS.values() for item in operation.parameters}
PARAMETERS = st.dictionaries(
    st.sampled_from([*sorted(FIELDS), "request_id"]) | ANY_TEXT,
    VALUES,
    max_size=3,
)
ASKS = st.tuples(NAMES, PARAMETERS | VALUES)
JSON_FRAMES = st.one_of(
    st.text(max_size=40),
    st.binary(max_size=40),
    ASKS.map(lambda ask: f'42{json.dumps(ask)}'),
    ASKS.map(lambda ask: f'420{json.dumps(ask)}'),
    ASKS.map(lambda ask: f'42/dashboard,1{json.dumps(ask)}'),
    st.sampled_from(["40", "40/dashboard,", "41", "1", "2", "3probe", "5", "6", "451-[]", "42",
                     '40{"participant":"x"}', '40[]', "42" + "[" * 5000, "4" * 300]),
)  # fmt: skip
PACKETS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.integers(-1, 8) | VALUES,
        "nsp": st.sampled_from(["/", "/dashboard", "/x"]) | VALUES,
        "id": st.integers(0, 5) | VALUES,
        "data": ASKS.map(list) | VALUES,
    },
)


def packed(value):
    try:
        return msgpack.packb(value, unicode_errors="surrogatepass")
    except (OverflowError, ValueError):
        return b"\xc1"


MSGPACK_FRAMES = st.binary(max_size=40) | (PACKETS | VALUES).map(packed) | st.text(max_size=20)
HELLOS = {
    "socket.io": ["40", "40/dashboard,"],
    "socket.io-msgpack": [packed({"type": 0, "nsp": nsp}) for nsp in ("/", "/dashboard")],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    study = tmp_path_factory.mktemp("garbage") / "study.toml"
    study.write_text(SMALL_STUDY, encoding="utf-8")
    with server_running(study, "--database", ":memory:") as running:
        yield running
        running.process.terminate()
        running.process.communicate(timeout=PATIENCE)
        errors = running.errors
        assert "Traceback" not in errors, errors[errors.find("Traceback") - 200 :][:3000]
        assert running.process.returncode == 0


async def throw(url, path, frames):
    async with aiohttp.ClientSession(url) as http:
        address = f"/{path}/?EIO=4&transport=websocket"
        async with http.ws_connect(address, autoping=False) as ws:
            for frame in [*HELLOS[path], *frames]:
                try:
                    if isinstance(frame, bytes):
                        await ws.send_bytes(frame)
                    else:
                        await ws.send_str(frame.encode("utf-8", "replace").decode())
                except (ConnectionError, aiohttp.ClientError):
                    break
        async with http.get("/api/state") as response:
            assert response.status == 200
            await response.read()


FUZZING = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@FUZZING
@given(st.lists(JSON_FRAMES, max_size=6))
@example(['42["state",{"participant_index":1e400}]'])
@example(['420["update-config",{"patch":{"a":NaN}}]', "42{}", "42[]", "42[null]", "42[1]"])
def test_any_frames_in_json(server, frames):
    asyncio.run(throw(server.url, "socket.io", frames))


@FUZZING
@given(st.lists(MSGPACK_FRAMES, max_size=6))
def test_any_frames_in_messagepack(server, frames):
    asyncio.run(throw(server.url, "socket.io-msgpack", frames))


@FUZZING
@given(
    st.sampled_from(["POST", "PUT", "PATCH", "GET", "DELETE", "X"]),
    st.sampled_from([item.path for item in OPERATIONS.values() if item.name != "shutdown"]),
    st.lists(st.text("0123456789-x/.%é", max_size=6), max_size=3),
    st.dictionaries(
        st.sampled_from(["from_block", "from_started_at", "reason", "limit", "q"]), TEXT
    ),
    st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()),
)
def test_any_request(server, method, path, more, query, body):
    async def ask():
        async with (
            aiohttp.ClientSession(server.url) as http,
            http.request(
                method,
                "/".join(["/api", path, *more]),
                params={
                    key: value.encode("utf-8", "replace").decode() for key, value in query.items()
                },
                data=body,
            ) as response,
        ):
            assert response.status < 500, await response.text()

    asyncio.run(ask())
