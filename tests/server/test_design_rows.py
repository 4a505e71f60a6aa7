"""A participant in another row of the design: added, kept, moved, explained, checked."""

import aiohttp
import pytest
from click.testing import CliRunner

from experiment_server.cli.main import main
from experiment_server.server.app import serving
from experiment_server.server.settings import Settings


@pytest.fixture(params=["sqlite", "postgresql"])
def more_settings(request):
    if request.param == "sqlite":
        return {}
    return {"database": request.getfixturevalue("postgresql")}


async def ask(http, method, path, **options):
    async with http.request(method, path, **options) as response:
        return response.status, await response.json(content_type=None)


async def test_a_row_is_kept_and_followed(study_file, more_settings):
    settings = Settings(study_file, port=0, **more_settings)
    async with serving(settings) as running, aiohttp.ClientSession(running.url) as http:
        assert await ask(http, "PUT", "/api/add-participant/9?row=2") == (200, True)
        assert await ask(http, "PUT", "/api/add-participant/4?row=4") == (200, True)
        assert await ask(http, "PUT", "/api/add-participant/2") == (200, True)
        assert await ask(http, "POST", "/api/move-to-next/9") == (200, {"name": "Hello"})
        status, problem = await ask(http, "PUT", "/api/add-participant/5?row=0")
        assert (status, problem["code"]) == (400, "parameter-invalid")
    async with serving(settings) as running, aiohttp.ClientSession(running.url) as http:
        assert await ask(http, "POST", "/api/move-to-next/9") == (200, {"name": "C"})
        _, people = await ask(http, "GET", "/api/participants")
        rows = {person["participant_index"]: person["row"] for person in people}
        assert rows == {1: 1, 2: 2, 4: 4, 9: 2}
        names = {person["participant_index"]: person["block_names"] for person in people}
        assert names[9] == names[2] != names[1]
        assert (await ask(http, "GET", "/api/state/9"))[1]["row"] == 2
        explained = [(await ask(http, "GET", f"/api/explain/{index}"))[1] for index in (9, 2)]
        assert explained[0] == explained[1]
        _, entries = await ask(http, "GET", "/api/events")
        added = [item for item in entries if item["type"] == "participant_added"]
        assert [item["data"].get("row") for item in added] == [None, 2, None, None]
    stored = more_settings.get("database", str(study_file))
    checked = CliRunner().invoke(main, ["events", stored, "--check"])
    assert checked.exit_code == 0, checked.output
