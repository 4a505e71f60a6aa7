"""Health, figures, and logs that say which request they are about."""

import json
import logging
import re

import aiohttp
import pytest

from experiment_server.server import logs
from experiment_server.server.app import serving
from experiment_server.server.log_format import LogFormat
from experiment_server.server.settings import Settings


async def get(http, path, **headers):
    async with http.get(path, headers=headers) as response:
        return response.status, await response.text()


async def figures(http):
    _, text = await get(http, "/metrics")
    found = re.findall(r"^(\w+(?:\{.*\})?) (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in found}


async def test_a_server_that_works_is_healthy_and_ready(http, server):
    assert (await get(http, "/healthz"))[0] == 200
    assert (await get(http, "/readyz"))[0] == 200
    server.session.stopping.set()
    assert (await get(http, "/readyz"))[0] == 503


async def test_health_needs_no_token_and_figures_do(study_file):
    settings = Settings(study_file, port=0, admin_token="an-admin-token-for-tests")
    async with (
        serving(settings) as running,
        aiohttp.ClientSession(running.url) as http,
    ):
        assert (await get(http, "/healthz"))[0] == 200
        assert (await get(http, "/readyz"))[0] == 200
        assert (await get(http, "/metrics"))[0] == 401
        token = {"Authorization": "Bearer an-admin-token-for-tests"}
        assert (await get(http, "/metrics", **token))[0] == 200


async def test_the_figures_count_what_happens(connect, http):
    app = await connect()
    await connect("/dashboard", path="socket.io-msgpack")
    await app.ask("move-to-next")
    await app.ask("move-to-block", {"block_id": 99})
    await get(http, "/api/state/1")
    await get(http, "/api/state/404404")
    await get(http, "/no/such/page")
    found = await figures(http)
    by = "experiment_server_operations_total"
    assert found[f'{by}{{door="participant",operation="move-to-next",outcome="ok"}}'] == 1
    refused = f'{by}{{door="participant",operation="move-to-block",outcome="block-out-of-range"}}'
    assert found[refused] == 1
    route = "/api/state/{participant_index}"
    requests = "experiment_server_requests_total"
    assert found[f'{requests}{{method="GET",route="{route}",status="200"}}'] == 1
    assert found[f'{requests}{{method="GET",route="{route}",status="406"}}'] == 1
    assert found[f'{requests}{{method="GET",route="unknown",status="404"}}'] == 1
    assert found["experiment_server_sockets_apps"] == 1
    assert found["experiment_server_sockets_dashboards"] == 1
    assert found["experiment_server_commit_seconds_count"] > 0
    assert found["experiment_server_study_errors"] == 0
    assert found["experiment_server_participants"] == 1


async def test_an_answer_names_its_request(http):
    async with http.get("/api/state/9", headers={"X-Request-ID": "lab-7"}) as response:
        assert response.headers["X-Request-ID"] == "lab-7"
        assert (await response.json())["request_id"] == "lab-7"
    for odd in ("x" * 65, "a b", "<b>"):
        async with http.get("/api/state", headers={"X-Request-ID": odd}) as response:
            assert re.fullmatch("[0-9a-f]{16}", response.headers["X-Request-ID"])


@pytest.fixture
def root_logger():
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield root
    root.handlers[:], root.level = before


def test_logs_for_programs_are_a_json_object_a_line(root_logger, capsys):
    logs.set_up(LogFormat.JSON)
    token = logs.current_request.set("lab-7")
    logging.getLogger("x").warning("two\nlines, %s", "größe")
    logs.current_request.reset(token)
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("x").exception("it failed")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["message"], first["level"]) == ("two\nlines, größe", "warning")
    assert first["request_id"] == "lab-7"
    assert "ValueError: why" in second["exception"]
