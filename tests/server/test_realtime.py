"""Socket.IO: snapshots on connect, pushes to rooms, acknowledged operations, in both parsers."""

import asyncio

import aiohttp
import pytest
import socketio

from experiment_server.session.requests import BY_SERVER
from experiment_server.session.session import OPERATIONS
from tests.server.conftest import Listener, PatientClient
from tests.server.test_access import PARTICIPANTS_MAY
from tests.waiting import PATIENCE

PATHS = ["socket.io", "socket.io-msgpack"]


async def post(server, path, method="POST"):
    async with aiohttp.request(method, f"{server.url}{path}") as response:
        assert response.status == 200
        return await response.json()


@pytest.mark.parametrize("path", PATHS)
async def test_an_app_gets_its_state_at_once(connect, server, path):
    await post(server, "/api/add-participant/3", "PUT")
    app = await connect(path=path, auth={"participant": 3})
    state = await app.expect("state")
    assert (state["participant_index"], state["block_id"], state["config"]) == (3, -1, None)
    assert state["connected"] == 1


async def test_an_app_without_participant_is_the_default_one(connect):
    assert (await (await connect()).expect("state"))["participant_index"] == 1


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("auth", "code"),
    [
        ({"participant": 9}, "participant-unknown"),
        ({"participant": "3"}, "parameter-invalid"),
        ({"participant": True}, "parameter-invalid"),
    ],
)
async def test_a_refused_app_is_told_why(server, path, auth, code):
    refusals = asyncio.Queue()
    serializer = "msgpack" if "msgpack" in path else "default"
    client = PatientClient(reconnection=False, serializer=serializer)
    client.on("connect_error", refusals.put)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(server.url, auth=auth, socketio_path=path, transports=["websocket"])
    refusal = await asyncio.wait_for(refusals.get(), PATIENCE)
    assert refusal["data"]["code"] == code
    assert refusal["data"]["message"] == refusal["message"] != ""


@pytest.mark.parametrize("path", PATHS)
async def test_a_rest_move_reaches_the_app_and_the_dashboard(connect, server, path):
    app = await connect(path=path)
    dashboard = await connect("/dashboard", path=path)
    await app.expect("state")
    await dashboard.expect("snapshot")
    await post(server, "/api/move-to-next")
    pushed = await app.expect("block-changed")
    assert (pushed["block_name"], pushed["revision"]) == ("Hello", 1)
    assert pushed["config"]["text"] == "hi"
    [row] = await dashboard.until("participants-changed", lambda rows: rows[0]["revision"] == 1)
    assert row["block_name"] == "Hello"
    assert "config" not in row


@pytest.mark.parametrize("path", PATHS)
async def test_an_apps_move_is_acknowledged_and_seen_by_all(connect, server, path):
    app = await connect(path=path)
    other = await connect()
    await app.expect("state")
    await other.expect("state")
    answer = await app.ask("move-to-next")
    assert answer["ok"] is True
    assert answer["data"]["block_name"] == "Hello"
    assert await other.expect("block-changed") == {**answer["data"], "connected": 2}
    assert (await post(server, "/api/state", "GET"))["block_id"] == 0


async def test_a_dashboards_move_reaches_only_the_apps_of_that_participant(connect, server):
    await post(server, "/api/add-participant/2", "PUT")
    first = await connect(auth={"participant": 1})
    second = await connect(auth={"participant": 2})
    dashboard = await connect("/dashboard")
    await first.expect("state")
    await second.expect("state")
    await dashboard.ask("move-to-block", {"participant_index": 2, "block_id": 3})
    await dashboard.ask("move-to-next", {"participant_index": 1})
    assert (await second.expect("block-changed"))["block_id"] == 3
    assert (await first.expect("block-changed"))["block_id"] == 0


async def test_every_participants_operation_answers_as_rest_does(connect, server):
    app = await connect()
    await app.ask("move-to-next")
    for name in ("config", "all-configs", "state", "blocks-count", "block-id", "active"):
        assert (await app.ask(name))["data"] == await post(server, f"/api/{name}", "GET"), name
    assert (await app.ask("summary-data"))["data"]["config_length"] == 5
    assert (await app.ask("status-string"))["data"] == "Participant 1, block 0 / 5, Hello"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("operation", "payload", "code"),
    [
        ("config", None, "not-in-block"),
        ("move-to-block", {"block_id": 99}, "block-out-of-range"),
        ("move-to-block", {}, "parameter-invalid"),
        ("move-to-block", {"block_id": "1"}, "parameter-invalid"),
        ("move-to-block", {"blok_id": 1}, "parameter-invalid"),
        ("move-to-next", [1], "parameter-invalid"),
        ("move-to-next", {"participant_index": 2}, "not-allowed"),
        ("state", {"participant_index": 2}, "not-allowed"),
        ("move-all-to-block", {"block_id": 0}, "not-allowed"),
        ("new-participant", None, "not-allowed"),
        ("add-participant", {"participant_index": 1}, "not-allowed"),
        ("participants", None, "not-allowed"),
        ("shutdown", None, "not-allowed"),
        ("nothing", None, "operation-unknown"),
    ],
)
async def test_refusals_are_acknowledged_with_a_code(connect, path, operation, payload, code):
    app = await connect(path=path)
    before = await app.expect("state")
    answer = await app.ask(operation, payload)
    assert answer["ok"] is False
    assert answer["error"]["code"] == code
    assert answer["error"]["message"]
    assert (await app.ask("state"))["data"] == before


async def test_every_operation_says_who_may_call_it(connect, server):
    """An app may do what test_access.py says that participants may; the rest is refused."""
    app = await connect()
    for operation in OPERATIONS.values():
        answer = await app.ask(operation.name, {"block_id": 0} if "block" in operation.name else {})
        refused = not answer["ok"] and answer["error"]["code"] == "not-allowed"
        assert refused is not PARTICIPANTS_MAY[operation.name], operation.name
    assert not server.session.stopping.is_set()


async def test_the_dashboard_begins_with_everything(connect, server):
    await post(server, "/api/add-participant/2", "PUT")
    snapshot = await (await connect("/dashboard")).expect("snapshot")
    assert snapshot["study"]["name"] == "study.toml"
    assert [item["code"] for item in snapshot["diagnostics"]] == ["cycle"]
    assert [row["participant_index"] for row in snapshot["participants"]] == [1, 2]


async def test_the_dashboard_steers_everyone(connect):
    dashboard = await connect("/dashboard")
    assert (await dashboard.ask("new-participant"))["data"] == 2
    assert (await dashboard.ask("add-participant", {"participant_index": 9}))["data"] is True
    for index in (1, 2):
        await dashboard.ask("move-to-next", {"participant_index": index})
    assert (await dashboard.ask("move-all-to-block", {"block_id": 3}))["data"] == 3
    rows = (await dashboard.ask("participants"))["data"]
    assert [row["block_id"] for row in rows] == [3, 3, -1]
    answer = await dashboard.ask("move-to-previous", {"participant_index": 1})
    assert answer["data"]["block_id"] == 2


async def test_a_dashboard_hears_of_a_new_participant(connect, server):
    dashboard = await connect("/dashboard")
    await dashboard.expect("snapshot")
    await post(server, "/api/new-participant", "PUT")
    rows = await dashboard.until(
        "participants-changed", lambda rows: rows[-1]["participant_index"] == 2
    )
    assert rows[-1]["block_name"] == "START"


async def test_presence_follows_connections(connect):
    dashboard = await connect("/dashboard")
    app = await connect()
    await dashboard.until("participants-changed", lambda rows: rows[0]["connected"] == 1)
    await app.client.disconnect()
    await dashboard.until("participants-changed", lambda rows: rows[0]["connected"] == 0)


async def test_an_app_that_comes_back_gets_where_it_is_now(connect, server):
    app = await connect()
    await app.client.disconnect()
    await post(server, "/api/move-to-block/3")
    state = await (await connect()).expect("state")
    assert (state["block_id"], state["revision"]) == (3, 1)


async def test_many_moves_at_once_are_many_moves(connect, server):
    dashboard = await connect("/dashboard")
    app = await connect()
    await app.expect("state")
    answers = await asyncio.gather(
        *(dashboard.ask("move-to-block", {"participant_index": 1, "block_id": 1})
          for _ in range(200))
    )  # fmt: skip
    assert {answer["ok"] for answer in answers} == {True}
    assert sorted(answer["data"]["revision"] for answer in answers) == list(range(1, 201))
    pushed = [(await app.expect("block-changed"))["revision"] for _ in range(200)]
    assert pushed == list(range(1, 201)), "pushes come in the order of their revisions"


async def test_sockets_are_told_when_the_server_stops(study_file):
    from experiment_server.server.app import serving
    from experiment_server.server.settings import Settings
    from tests.server.conftest import Listener

    app, dashboard = Listener("/"), Listener("/dashboard")
    async with serving(Settings(study_file, port=0)) as running:
        for listener in (app, dashboard):
            await listener.client.connect(running.url, namespaces=[listener.namespace])
        async with aiohttp.request(
            "GET", f"{running.url}/socket.io/?EIO=4&transport=polling"
        ) as stale:
            assert stale.status == 200
    await app.until("server-shutdown")
    await dashboard.until("server-shutdown")
    for listener in (app, dashboard):
        await listener.client.disconnect()


@pytest.mark.parametrize("namespace", ["/", "/dashboard"])
async def test_the_first_event_is_the_whole_state_whatever_happens_meanwhile(server, namespace):
    async def moves():
        while True:
            await server.session.move_to_next(BY_SERVER, 1)
            await server.session.move_to_block(BY_SERVER, 1, 0)

    moving = asyncio.create_task(moves())
    try:
        for _ in range(20):
            listener = Listener(namespace)
            await listener.client.connect(
                server.url, namespaces=[namespace], transports=["websocket"]
            )
            event, _ = await listener.next()
            assert event == ("state" if namespace == "/" else "snapshot")
            # What happened meanwhile is not left out.
            await listener.until("block-changed" if namespace == "/" else "participants-changed")
            await listener.client.disconnect()
    finally:
        moving.cancel()
