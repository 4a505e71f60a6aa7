"""A study that fails in spite of every check: who waits is told, and the server goes on."""

import asyncio

import aiohttp
import pytest
import socketio

from experiment_server import AsyncClient, StudyError
from experiment_server.server.app import serving
from experiment_server.server.settings import Settings
from experiment_server.session.requests import BY_SERVER
from experiment_server.session.study_file import StudyFile
from experiment_server.study import functions
from tests.conftest import SMALL_STUDY
from tests.server.conftest import Listener
from tests.waiting import PATIENCE

DRAWING = SMALL_STUDY.replace(
    "speed = 1", 'speed = { function_name = "shuffle", args = [[1, 2, 3]] }'
)


class Mistake(Exception):
    pass


def fail(*_arguments):
    raise Mistake("of a programmer")


@pytest.fixture
def failing():
    """Makes every draw of `shuffle` fail from now on, also in studies that are ready."""
    shuffle = functions.FUNCTIONS["shuffle"]
    draw = shuffle.draw
    yield lambda: object.__setattr__(shuffle, "draw", fail)
    object.__setattr__(shuffle, "draw", draw)


@pytest.fixture
async def drawing(tmp_path):
    study = tmp_path / "study.toml"
    study.write_text(DRAWING, encoding="utf-8")
    async with serving(Settings(study, port=0)) as running:
        yield running


@pytest.mark.parametrize("path", ["socket.io", "socket.io-msgpack"])
async def test_an_app_whose_blocks_cannot_be_made_is_refused_at_once(drawing, failing, path):
    failing()
    app = socketio.AsyncClient(
        reconnection=False, serializer="msgpack" if "msgpack" in path else "default"
    )
    refused = asyncio.get_running_loop().create_future()
    app.on("connect_error", refused.set_result)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await app.connect(
            drawing.url, socketio_path=path, transports=["websocket"], wait_timeout=PATIENCE
        )
    problem = await asyncio.wait_for(refused, PATIENCE)
    assert problem["data"]["code"] == "expansion-failed"
    assert "shuffle failed" in problem["data"]["message"]
    async with (
        aiohttp.ClientSession(drawing.url) as http,
        http.get("/api/state") as response,
    ):
        assert response.status == 422
        assert (await response.json())["code"] == "expansion-failed"


async def test_a_program_that_takes_part_is_told_instead_of_waiting(drawing, failing):
    failing()
    with pytest.raises(StudyError, match="shuffle failed") as refused:
        async with AsyncClient(drawing.url, 1):
            pass
    assert refused.value.code == "expansion-failed"


async def test_an_app_that_is_there_is_told_that_its_new_blocks_cannot_be_made(drawing, failing):
    app, dashboard = Listener("/"), Listener("/dashboard")
    for listener in (app, dashboard):
        await listener.client.connect(
            drawing.url, namespaces=[listener.namespace], transports=["websocket"]
        )
    await app.expect("state")
    failing()
    drawing.session.study_file.path.write_text(DRAWING.replace("hi", "hello"), encoding="utf-8")
    assert (await app.expect("study-changed"))["name"] == "study.toml"
    problem = await app.expect("problem")
    assert problem["code"] == "expansion-failed"
    assert "shuffle failed" in problem["message"]
    assert (await app.ask("move-to-next"))["error"]["code"] == "expansion-failed"
    drawing.session.study_file.path.write_text(SMALL_STUDY, encoding="utf-8")
    await app.until("config-changed")
    assert (await app.ask("move-to-next"))["ok"]
    await dashboard.until("study-changed")
    for listener in (app, dashboard):
        await listener.client.disconnect()


async def test_whatever_one_look_at_the_file_raises_the_next_change_is_served(
    connect, server, study_file, monkeypatch
):
    app, dashboard = await connect(), await connect("/dashboard")
    monkeypatch.setattr(StudyFile, "parse", fail)
    study_file.write_text(SMALL_STUDY.replace("speed = 1", "speed = 2"), encoding="utf-8")
    news = await dashboard.until("study-changed")
    assert [item["code"] for item in news["diagnostics"]] == ["reader-failed"]
    assert "Mistake" in news["diagnostics"][0]["message"]
    monkeypatch.undo()
    study_file.write_text(SMALL_STUDY.replace("speed = 1", "speed = 3"), encoding="utf-8")
    await app.until("config-changed")
    assert (await server.session.all_configs(BY_SERVER, 1))[1]["speed"] == 3


async def test_a_study_that_no_reader_can_read_is_an_error_of_the_study(server, http, monkeypatch):
    def unreadable(_value):
        raise Mistake("cannot be sent")

    monkeypatch.setattr("experiment_server.session.parse_worker._packed", unreadable)
    async with http.post("/api/verify", data=SMALL_STUDY.encode()) as response:
        outcome = await response.json()
    assert response.status == 200
    assert [item["code"] for item in outcome["diagnostics"]] == ["reader-failed"]
