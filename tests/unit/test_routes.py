"""Which requests are for an operation is told by one lookup, and the others are left to aiohttp."""

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from experiment_server.server.routes import OperationRoutes


async def serve(texts, _request):
    return web.Response(text=",".join(texts))


@pytest.fixture
def routes():
    table = OperationRoutes()
    table.add("POST", "/api/move-to-block/{participant_index}/{block_id}", serve)
    table.add("GET", "/api/config", serve)
    table.add("GET", "/api/config/{participant_index}", serve)
    return table


@pytest.mark.parametrize(
    ("method", "path", "pattern", "texts"),
    [
        ("GET", "/api/config", "/api/config", ""),
        ("GET", "/api/config/7?x=1", "/api/config/{participant_index}", "7"),
        ("GET", "/api/config/-7", "/api/config/{participant_index}", "-7"),
        (
            "POST",
            "/api/move-to-block/7/2",
            "/api/move-to-block/{participant_index}/{block_id}",
            "7,2",
        ),
    ],
)
async def test_an_operation_is_found_with_what_is_in_its_path(routes, method, path, pattern, texts):
    request = make_mocked_request(method, path)
    for _ in range(2):
        route, handler = routes.find(request)
        assert route.pattern == pattern
        assert (await handler(request)).text == texts


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/config/7"),
        ("BREW", "/api/config/7"),
        ("GET", "/api/config/x"),
        ("GET", "/api/config/7/"),
        ("GET", "/api/config/"),
        ("GET", "/api/config/7/7"),
        ("GET", "/api"),
        ("GET", "/"),
        ("GET", "//api/config/7"),
        ("GET", "/x/api/config/7"),
        ("GET", f"/api/config/{'0' * 64}7"),
    ],
)
def test_what_has_to_be_matched_or_refused_is_left_to_aiohttp(routes, method, path):
    assert routes.find(make_mocked_request(method, path)) is None


def test_a_client_that_waits_to_be_told_to_go_on_is_left_to_aiohttp(routes):
    asks = make_mocked_request("GET", "/api/config/7", headers={"Expect": "100-continue"})
    assert routes.find(asks) is None
