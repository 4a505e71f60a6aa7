"""The classic REST routes: methods, paths, bodies and statuses as the field's clients expect."""

import aiohttp
import msgpack
import pytest

from experiment_server.server.app import serving
from experiment_server.server.settings import Settings

HELLO = {"text": "hi", "participant_index": 1, "name": "Hello", "block_id": 0}


async def text(http, method, path, **options):
    async with http.request(method, path, **options) as response:
        return response.status, await response.text()


async def json(http, method, path, **options):
    async with http.request(method, path, **options) as response:
        return response.status, await response.json()


@pytest.mark.parametrize("suffix", ["", "/1"])
async def test_a_participant_who_has_not_started(http, suffix):
    assert await text(http, "GET", f"/api/blocks-count{suffix}") == (200, "5")
    assert await text(http, "GET", f"/api/block-id{suffix}") == (200, "-1")
    assert await text(http, "GET", f"/api/active{suffix}") == (200, "false")
    assert await json(http, "GET", f"/api/summary-data{suffix}") == (
        200,
        {"participant_index": 1, "config_length": 5, "configs_length": 5},
    )
    assert await text(http, "GET", f"/api/status-string{suffix}") == (
        200,
        "Participant 1, block -1 / 5, START",
    )
    status, configs = await json(http, "GET", f"/api/all-configs{suffix}")
    assert status == 200
    assert [config["name"] for config in configs] == ["Hello", "A", "B", "C", "D"]


@pytest.mark.parametrize("suffix", ["", "/1"])
async def test_a_walk_from_start_to_end(http, suffix):
    for name in ("Hello", "A", "B", "C", "D", "END", "END"):
        assert await json(http, "POST", f"/api/move-to-next{suffix}") == (200, {"name": name})
        if name == "Hello":
            assert await json(http, "GET", f"/api/config{suffix}") == (200, HELLO)
            assert await text(http, "GET", f"/api/active{suffix}") == (200, "true")
            status = await text(http, "GET", f"/api/status-string{suffix}")
            assert status == (200, "Participant 1, block 0 / 5, Hello")
    assert await text(http, "GET", f"/api/block-id{suffix}") == (200, "5")
    assert await text(http, "GET", f"/api/active{suffix}") == (200, "false")
    assert (await json(http, "GET", f"/api/config{suffix}"))[0] == 406
    assert await json(http, "POST", f"/api/move-to-previous{suffix}") == (200, {"name": "D"})


async def test_moves_to_a_block(http):
    assert await text(http, "PUT", "/api/add-participant/2") == (200, "true")
    assert await text(http, "POST", "/api/move-to-block/2/3") == (200, "3")
    assert await text(http, "GET", "/api/block-id/2") == (200, "3")
    assert await text(http, "GET", "/api/block-id") == (200, "-1")
    assert await text(http, "POST", "/api/move-to-block/4") == (200, "4")
    assert await text(http, "GET", "/api/block-id/1") == (200, "4")


async def test_moving_all_moves_those_who_are_in_a_block(http):
    for _ in range(3):
        await text(http, "PUT", "/api/new-participant")
    for participant in (1, 2):
        await text(http, "POST", f"/api/move-to-next/{participant}")
    for _ in range(6):
        await text(http, "POST", "/api/move-to-next/3")
    assert await text(http, "POST", "/api/move-all-to-block/2") == (200, "2")
    places = [(await text(http, "GET", f"/api/block-id/{index}"))[1] for index in (1, 2, 3, 4)]
    assert places == ["2", "2", "5", "-1"]


async def test_new_participants_come_after_the_largest(http):
    assert await text(http, "PUT", "/api/new-participant") == (200, "2")
    assert await text(http, "PUT", "/api/add-participant/40") == (200, "true")
    assert await text(http, "PUT", "/api/new-participant") == (200, "41")


async def test_the_shutdown_is_acknowledged_with_an_empty_body(http, server):
    assert await text(http, "POST", "/api/shutdown") == (200, "")
    assert server.session.stopping.is_set()


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/config", 406, "not-in-block"),
        ("GET", "/api/config/9", 406, "participant-unknown"),
        ("GET", "/api/block-id/0", 406, "participant-unknown"),
        ("POST", "/api/move-to-next/9", 406, "participant-unknown"),
        ("POST", "/api/move-to-block/9/1", 406, "participant-unknown"),
        ("POST", "/api/move-to-block/5", 404, "block-out-of-range"),
        ("POST", "/api/move-to-block/-1", 404, "block-out-of-range"),
        ("POST", "/api/move-to-block/1/99", 404, "block-out-of-range"),
        ("POST", "/api/move-all-to-block/77", 404, "block-out-of-range"),
        ("PUT", "/api/add-participant/1", 406, "participant-exists"),
        ("PUT", "/api/add-participant/0", 406, "participant-index-invalid"),
        ("PUT", "/api/add-participant/-3", 406, "participant-index-invalid"),
        ("PUT", "/api/add-participant/99999999999", 406, "participant-index-invalid"),
        ("PUT", "/api/add-participant/x", 404, "identifier-invalid"),
        ("GET", "/api/block-id/x", 404, "identifier-invalid"),
        ("GET", "/api/block-id/1.0", 404, "identifier-invalid"),
        ("GET", "/api/block-id/" + "9" * 100, 404, "identifier-invalid"),
        ("POST", "/api/move-to-block/x", 404, "identifier-invalid"),
        ("GET", "/api/nothing", 404, "operation-unknown"),
        ("POST", "/api/nothing/1", 404, "operation-unknown"),
        ("PUT", "/api/nothing", 404, "operation-unknown"),
        ("GET", "/api/", 404, "operation-unknown"),
        ("GET", "/api/active/1/2", 404, "operation-unknown"),
        ("POST", "/api/move-to-block", 404, "operation-unknown"),
        ("GET", "/api/move-to-next", 405, "http-405"),
        ("DELETE", "/api/state/1", 405, "http-405"),
        ("GET", "/nowhere", 404, "http-404"),
    ],
)
async def test_refusals_are_problems_with_a_code(http, method, path, status, code):
    async with http.request(method, path) as response:
        assert response.status == status
        assert response.content_type == "application/problem+json"
        problem = await response.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert set(problem) == {"type", "title", "status", "code", "detail", "request_id"}
    assert problem["detail"]


async def test_an_unknown_participant_is_not_known(http):
    _, problem = await json(http, "GET", "/api/config/9")
    assert "not known" in problem["detail"]


async def test_a_move_that_is_refused_changes_nothing(http):
    await text(http, "POST", "/api/move-to-next")
    before = await json(http, "GET", "/api/state")
    await text(http, "POST", "/api/move-to-block/99")
    assert await json(http, "GET", "/api/state") == before


async def test_the_state_is_the_whole_snapshot(http):
    await text(http, "POST", "/api/move-to-next")
    status, snapshot = await json(http, "GET", "/api/state/1")
    assert status == 200
    started, updated = snapshot.pop("block_started_at"), snapshot.pop("updated_at")
    assert started == updated
    assert started.endswith("Z")
    assert len(snapshot.pop("study")) == 64
    assert snapshot == {
        "participant_index": 1,
        "active": True,
        "block_id": 0,
        "block_name": "Hello",
        "blocks_count": 5,
        "config": HELLO,
        "revision": 1,
        "connected": 0,
        "overridden": 0,
        "row": 1,
        "overrides": [],
    }


async def test_the_participants_are_rows_without_config(http):
    await text(http, "PUT", "/api/add-participant/7")
    status, rows = await json(http, "GET", "/api/participants")
    assert status == 200
    assert [row["participant_index"] for row in rows] == [1, 7]
    assert rows[0]["block_name"] == "START"
    assert rows[0]["block_names"] == ["Hello", "A", "B", "C", "D"]
    assert "config" not in rows[0]


@pytest.mark.parametrize("path", ["/api/block-id", "/api/state", "/api/all-configs"])
async def test_messagepack_is_there_for_who_asks(http, path):
    headers = {"Accept": "application/msgpack"}
    async with http.get(path, headers=headers) as response:
        assert response.content_type == "application/msgpack"
        packed = msgpack.unpackb(await response.read())
    assert (200, packed) == await json(http, "GET", path)


async def test_a_state_that_has_not_changed_is_not_sent_again(http, connect):
    async with http.get("/api/state") as response:
        tag = response.headers["ETag"]
    headers = {"If-None-Match": tag}
    await connect()
    async with http.get("/api/state", headers=headers) as response:
        assert (response.status, await response.text()) == (304, ""), "presence is no news"
        assert response.headers["ETag"] == tag
    async with http.post("/api/move-to-next"):
        pass
    async with http.get("/api/state", headers=headers) as response:
        assert (response.status, (await response.json())["block_id"]) == (200, 0)
        assert response.headers["ETag"] != tag
    async with http.get("/api/study/toml", headers={"If-None-Match": "*"}) as response:
        assert response.status == 304


@pytest.mark.parametrize("folder", ["assets", "app"])
async def test_a_name_that_no_file_can_have_is_not_found(tmp_path, study_file, caplog, folder):
    app = tmp_path / "app"
    app.mkdir()
    (app / "index.html").write_text("", encoding="utf-8")
    async with (
        serving(Settings(study_file, port=0, app=app)) as running,
        aiohttp.request("GET", f"{running.url}/{folder}/{'x' * 300}") as response,
    ):
        assert response.status == 404
        assert (await response.json())["code"] == "http-404"
    assert not [record for record in caplog.records if record.exc_info]
