"""`explain`: where a participant's blocks and values come from, in the version that they have."""

import pytest

from experiment_server.participants.versions import OnChange
from experiment_server.server.app import serving
from experiment_server.server.settings import Settings
from experiment_server.session.requests import BY_SERVER
from experiment_server.study.explain import explain
from experiment_server.study.parse import parse
from experiment_server.wire.encoding import to_json
from tests.conftest import SMALL_STUDY
from tests.unit.test_explanations import STUDY


@pytest.fixture
def study_file(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(STUDY, encoding="utf-8")
    return path


async def test_rest_and_sockets_tell_what_the_study_does(http, server, connect):
    await server.session.add_participant(BY_SERVER, 2)
    expected = explain(parse(STUDY), 2)
    async with http.get("/api/explain/2") as response:
        assert response.status == 200
        assert await response.text() == to_json(expected)
    dashboard = await connect("/dashboard")
    answer = await dashboard.ask("explain", {"participant_index": 2})
    blocks = answer["data"]
    assert [block["name"] for block in blocks] == [block.name for block in expected]
    assert blocks[2]["reasons"] == ["techniques: hand, 1 of 2 (latin_square, order 2 of 2)"]
    [colour] = [value for value in blocks[2]["values"] if value["path"] == ["colour"]]
    assert colour["function"] == "choices"


async def test_nobody_is_explained_who_was_never_added(http):
    async with http.get("/api/explain/9") as response:
        assert response.status == 406


async def test_who_keeps_a_version_is_told_of_that_one(study_file):
    settings = Settings(study_file, port=0, on_change=OnChange.NEW)
    async with serving(settings) as server:
        session = server.session
        await session.study_file.load(parse(SMALL_STUDY), "edited")
        await session.add_participant(BY_SERVER, 2)
        kept, new = [await session.explain(BY_SERVER, index) for index in (1, 2)]
    assert kept == list(explain(parse(STUDY), 1))
    assert new == list(explain(parse(SMALL_STUDY), 2))
