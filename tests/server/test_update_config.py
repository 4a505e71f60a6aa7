"""An experimenter changes one participant's config."""

import aiohttp
import msgpack
import pytest

from experiment_server.server.app import serving
from experiment_server.server.settings import Settings
from tests.conftest import SMALL_STUDY
from tests.requests import send


async def in_block_a(http, participant=1):
    return await send(http, "POST", f"/api/move-to-block/{participant}/1")


async def test_a_change_is_for_one_participants_current_block_alone(http):
    await send(http, "PUT", "/api/add-participant/3")
    await in_block_a(http)
    await in_block_a(http, 3)
    status, config = await send(
        http, "PATCH", "/api/config", json={"speed": 5, "extra": {"x": [1]}}
    )
    assert status == 200
    assert config == {
        "speed": 5,
        "participant_index": 1,
        "name": "A",
        "block_id": 1,
        "extra": {"x": [1]},
    }
    assert (await send(http, "GET", "/api/config"))[1] == config
    assert (await send(http, "GET", "/api/all-configs"))[1][1] == config
    assert (await send(http, "GET", "/api/all-configs"))[1][2]["speed"] == 1
    assert (await send(http, "GET", "/api/config/3"))[1]["speed"] == 1


async def test_apps_and_dashboards_hear_of_it_at_once(connect, http):
    app, dashboard = await connect(), await connect("/dashboard")
    await in_block_a(http)
    await app.until("block-changed")
    answer = await dashboard.ask(
        "update-config", {"participant_index": 1, "patch": {"speed": 5}, "reason": "too slow"}
    )
    assert answer["ok"] is True
    snapshot = await app.expect("config-changed")
    assert snapshot["config"]["speed"] == 5
    assert snapshot["overrides"] == [{"path": ["speed"], "value": 5, "file": 1}]
    news = await dashboard.until("event", lambda news: news[-1]["type"] == "config_overridden")
    told = news[-1]["data"]
    assert told["patch"] == {"speed": 5}
    assert (told["by"], told["reason"]) == ("dashboard", "too slow")


async def test_a_participants_app_may_not_change_its_config(connect):
    app = await connect()
    answer = await app.ask("update-config", {"patch": {"speed": 5}})
    assert answer["error"]["code"] == "not-allowed"


async def test_a_change_outlives_restarts_and_edits_of_the_file(study_file):
    async with (
        serving(Settings(study_file, port=0)) as running,
        aiohttp.ClientSession(running.url) as http,
    ):
        await in_block_a(http)
        await send(http, "PATCH", "/api/config", json={"speed": 5})
    # The edit puts another block before the one that was changed.
    study_file.write_text(
        SMALL_STUDY.replace('init_blocks = ["Hello"]', 'init_blocks = ["Hello", "Hello"]').replace(
            "speed = 1", "speed = 2"
        ),
        encoding="utf-8",
    )
    async with (
        serving(Settings(study_file, port=0)) as running,
        aiohttp.ClientSession(running.url) as http,
    ):
        await send(http, "POST", "/api/move-to-block/2")
        _, snapshot = await send(http, "GET", "/api/state")
        assert snapshot["block_name"] == "A"
        assert snapshot["overrides"] == [{"path": ["speed"], "value": 5, "file": 2}]
        assert (await send(http, "POST", "/api/reset-participant"))[1]["speed"] == 2
        _, snapshot = await send(http, "GET", "/api/state")
        assert (snapshot["block_id"], snapshot["overrides"]) == (2, [])


async def test_null_takes_a_key_away(http):
    await in_block_a(http)
    assert "speed" not in (await send(http, "PATCH", "/api/config", json={"speed": None}))[1]
    _, snapshot = await send(http, "GET", "/api/state")
    assert snapshot["overrides"] == [{"path": ["speed"], "value": None, "file": 1}]


async def test_a_value_put_back_by_hand_is_no_change_any_more(http):
    await in_block_a(http)
    await send(http, "PATCH", "/api/config", json={"speed": 5})
    await send(http, "PATCH", "/api/config", json={"speed": 1})
    assert (await send(http, "GET", "/api/state"))[1]["overridden"] == 0


@pytest.mark.parametrize("key", ["participant_index", "name", "block_id"])
async def test_what_the_server_says_itself_cannot_be_changed(http, key):
    await in_block_a(http)
    before = await send(http, "GET", "/api/state")
    status, problem = await send(http, "PATCH", "/api/config", json={"speed": 5, key: 3})
    assert (status, problem["code"]) == (422, "override-refused")
    assert key in problem["detail"]
    assert await send(http, "GET", "/api/state") == before


@pytest.mark.parametrize(
    "body", [b"", b"[1]", b"3", b"{", b"\xff\xfe", b'{"speed": NaN}', b'{"speed": 1e999}',
             b'{"a":' * 100 + b"1" + b"}" * 100, b'{"a":' * 100_000]
)  # fmt: skip
async def test_what_is_no_patch_is_refused(http, body):
    await in_block_a(http)
    async with http.patch("/api/config", data=body) as response:
        assert response.status == 400
        assert (await response.json())["code"] == "parameter-invalid"


async def test_a_patch_may_come_as_messagepack(http):
    await in_block_a(http)
    headers = {"Content-Type": "application/msgpack"}
    async with http.patch(
        "/api/config", data=msgpack.packb({"speed": 5}), headers=headers
    ) as response:
        assert (await response.json())["speed"] == 5


async def test_only_somebody_in_a_block_has_a_config_to_change(http):
    status, problem = await send(http, "PATCH", "/api/config", json={"speed": 5})
    assert (status, problem["code"]) == (406, "not-in-block")
